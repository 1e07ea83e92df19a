// Stripe's Go SDK meets the mock. Prints one line of JSON for each scenario.
// Environment: PAYCHAIN_URL (the mock), PAYCHAIN_DISPUTED_URL (one of which every payment is charged
// back), PAYCHAIN_CONTROL (faults, books, webhooks), PAYCHAIN_PREFIX.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
)

type object = map[string]any

var (
	ctx    = context.Background()
	order  string
	client = newClient("sk_test_paychain", 0)
)

func newClient(key string, retries int64) *stripe.Client {
	return clientOf(os.Getenv("PAYCHAIN_URL"), key, retries)
}

func clientOf(url, key string, retries int64) *stripe.Client {
	config := &stripe.BackendConfig{
		URL:               stripe.String(url),
		MaxNetworkRetries: stripe.Int64(retries),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	}
	backends := &stripe.Backends{API: stripe.GetBackendWithConfig(stripe.APIBackend, config)}
	return stripe.NewClient(key, stripe.WithBackends(backends))
}

func control(path string, body object, into any) {
	sent, err := json.Marshal(body)
	must(err)
	answer, err := http.Post(
		os.Getenv("PAYCHAIN_CONTROL")+"/"+path, "application/json", bytes.NewReader(sent))
	must(err)
	defer answer.Body.Close()
	if into != nil {
		must(json.NewDecoder(answer.Body).Decode(into))
	}
}

func booked(kind string) []int {
	var all map[string][]int
	control("booked", object{"order": order}, &all)
	return all[kind]
}

func requests() (number int) {
	control("requests", object{"order": order}, &number)
	return number
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("got %v, want %v", got, want))
	}
}

func failed(err error) *stripe.Error {
	var found *stripe.Error
	if !errors.As(err, &found) {
		panic(fmt.Sprintf("not an error of the SDK: %v", err))
	}
	return found
}

func params(change func(*stripe.PaymentIntentCreateParams)) *stripe.PaymentIntentCreateParams {
	asked := &stripe.PaymentIntentCreateParams{
		Amount:        stripe.Int64(1000),
		Currency:      stripe.String("eur"),
		PaymentMethod: stripe.String("pm_card_visa"),
		Confirm:       stripe.Bool(true),
	}
	asked.AddMetadata("order", order)
	if change != nil {
		change(asked)
	}
	return asked
}

func pay(change func(*stripe.PaymentIntentCreateParams)) (*stripe.PaymentIntent, error) {
	return client.V1PaymentIntents.Create(ctx, params(change))
}

func paid(change func(*stripe.PaymentIntentCreateParams)) *stripe.PaymentIntent {
	intent, err := pay(change)
	must(err)
	return intent
}

func manual(asked *stripe.PaymentIntentCreateParams) {
	asked.CaptureMethod = stripe.String("manual")
}

func keyed(asked *stripe.PaymentIntentCreateParams) { asked.SetIdempotencyKey(order) }

func capture(id string, amount int64, final bool) (*stripe.PaymentIntent, error) {
	return client.V1PaymentIntents.Capture(ctx, id, &stripe.PaymentIntentCaptureParams{
		AmountToCapture: stripe.Int64(amount), FinalCapture: stripe.Bool(final)})
}

type scenario struct {
	name string
	work func() string
}

var scenarios = []scenario{
	{"authorise", func() string {
		sale := paid(func(asked *stripe.PaymentIntentCreateParams) { asked.AddExpand("latest_charge") })
		equal(sale.Status, stripe.PaymentIntentStatusSucceeded)
		equal(sale.LatestCharge.Captured, true)
		held := paid(manual)
		equal(held.Status, stripe.PaymentIntentStatusRequiresCapture)
		equal(held.AmountCapturable, int64(1000))
		equal(booked("captured"), []int{1000})
		return "succeeded; requires_capture"
	}},
	{"decline", func() string {
		_, err := pay(func(asked *stripe.PaymentIntentCreateParams) {
			asked.PaymentMethod = stripe.String("pm_card_visa_chargeDeclinedInsufficientFunds")
		})
		found := failed(err)
		equal(found.Type, stripe.ErrorTypeCard)
		equal(found.DeclineCode, stripe.DeclineCodeInsufficientFunds)
		equal(found.PaymentIntent.Status, stripe.PaymentIntentStatusRequiresPaymentMethod)
		return "stripe.Error of type card_error with DeclineCode"
	}},
	{"authentication", func() string {
		waits := paid(func(asked *stripe.PaymentIntentCreateParams) {
			asked.PaymentMethod = stripe.String("pm_card_authenticationRequired")
			asked.ReturnURL = stripe.String("https://shop.example/return")
		})
		equal(waits.Status, stripe.PaymentIntentStatusRequiresAction)
		visitor := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
		answer, err := visitor.Get(waits.NextAction.RedirectToURL.URL)
		must(err)
		equal(strings.Contains(answer.Header.Get("Location"), "redirect_status=succeeded"), true)
		seen, err := client.V1PaymentIntents.Retrieve(ctx, waits.ID, nil)
		must(err)
		equal(seen.Status, stripe.PaymentIntentStatusSucceeded)
		return "requires_action; redirect_to_url completes it"
	}},
	{"capture in parts", func() string {
		held := paid(manual)
		part, err := capture(held.ID, 300, false)
		must(err)
		equal(part.AmountCapturable, int64(700))
		done, err := capture(held.ID, 400, true)
		must(err)
		equal(done.Status, stripe.PaymentIntentStatusSucceeded)
		_, err = capture(held.ID, 100, true)
		equal(failed(err).Code, stripe.ErrorCodePaymentIntentUnexpectedState)
		equal(booked("captured"), []int{300, 400})
		equal(booked("voided"), []int{300})
		return "final_capture false and true; the rest is released"
	}},
	{"void", func() string {
		held := paid(manual)
		gone, err := client.V1PaymentIntents.Cancel(ctx, held.ID, nil)
		must(err)
		equal(gone.Status, stripe.PaymentIntentStatusCanceled)
		_, err = capture(held.ID, 100, true)
		equal(failed(err).Code, stripe.ErrorCodePaymentIntentUnexpectedState)
		equal(booked("voided"), []int{1000})
		return "canceled; no capture afterwards"
	}},
	{"refund", func() string {
		sale := paid(nil)
		first, err := client.V1Refunds.Create(ctx, &stripe.RefundCreateParams{
			PaymentIntent: stripe.String(sale.ID), Amount: stripe.Int64(300)})
		must(err)
		equal(first.Status, stripe.RefundStatusSucceeded)
		rest := &stripe.RefundCreateParams{PaymentIntent: stripe.String(sale.ID)}
		second, err := client.V1Refunds.Create(ctx, rest)
		must(err)
		equal(second.Amount, int64(700))
		third := &stripe.RefundCreateParams{PaymentIntent: stripe.String(sale.ID)}
		_, err = client.V1Refunds.Create(ctx, third)
		equal(failed(err).Code, stripe.ErrorCodeChargeAlreadyRefunded)
		equal(booked("refunded"), []int{300, 700})
		return "two refunds; the third is refused"
	}},
	{"query", func() string {
		sale := paid(nil)
		seen, err := client.V1PaymentIntents.Retrieve(ctx, sale.ID, nil)
		must(err)
		equal(seen.Status, stripe.PaymentIntentStatusSucceeded)
		_, err = client.V1PaymentIntents.Retrieve(ctx, "pi_unknown", nil)
		equal(failed(err).Code, stripe.ErrorCodeResourceMissing)
		return "retrieve; 404 resource_missing"
	}},
	{"repeat", func() string {
		first, again := paid(keyed), paid(keyed)
		equal(first.ID, again.ID)
		equal(again.LastResponse.Header.Get("Idempotent-Replayed"), "true")
		equal(booked("captured"), []int{1000})
		return "the same object, Idempotent-Replayed"
	}},
	{"mismatch", func() string {
		paid(keyed)
		_, err := pay(func(asked *stripe.PaymentIntentCreateParams) {
			keyed(asked)
			asked.Amount = stripe.Int64(1001)
		})
		equal(failed(err).Type, stripe.ErrorTypeIdempotency)
		equal(failed(err).HTTPStatusCode, 400)
		return "stripe.Error of type idempotency_error, 400"
	}},
	{"in flight", func() string {
		control("inject", object{"kind": "slow_answer", "link": "issuer", "delay": "1s"}, nil)
		done := make(chan error)
		go func() {
			_, err := pay(keyed)
			done <- err
		}()
		time.Sleep(300 * time.Millisecond)
		_, err := pay(keyed)
		equal(failed(err).HTTPStatusCode, 409)
		equal(failed(err).Code, stripe.ErrorCodeIdempotencyKeyInUse)
		must(<-done)
		return "409 idempotency_key_in_use"
	}},
	{"http 503", func() string {
		control("inject", object{"kind": "http_error", "status": 503}, nil)
		_, err := pay(nil)
		equal(failed(err).HTTPStatusCode, 503)
		equal(requests(), 1)
		_, err = newClient("sk_test_paychain", 2).V1PaymentIntents.Create(ctx, params(nil))
		equal(failed(err).HTTPStatusCode, 503)
		// An answer that is an error of Stripe's is final to this SDK, whatever its status.
		equal(requests(), 2)
		return "stripe.Error; 1 request, also with the default MaxNetworkRetries 2"
	}},
	{"rate limit", func() string {
		control("inject", object{"kind": "rate_limit", "rate": "1/s"}, nil)
		for range 4 {
			if _, err := pay(nil); err != nil {
				equal(failed(err).HTTPStatusCode, 429)
				return "stripe.Error 429"
			}
		}
		panic("no request was refused")
	}},
	{"cut connection", func() string {
		control("cut", object{"times": 1}, nil)
		// Go's transport repeats a request by itself when a kept connection breaks and the request
		// has an Idempotency-Key.
		sale := paid(nil)
		equal(sale.LastResponse.Header.Get("Idempotent-Replayed"), "true")
		equal(requests(), 2)
		equal(booked("captured"), []int{1000})
		return "with MaxNetworkRetries 0, net/http sends 2 requests under one key"
	}},
	{"unknown parameter", func() string {
		_, err := pay(func(asked *stripe.PaymentIntentCreateParams) { asked.AddExtra("colour", "red") })
		equal(failed(err).Code, stripe.ErrorCodeParameterUnknown)
		equal(failed(err).Param, "colour")
		_, err = newClient("nonsense", 0).V1PaymentIntents.Retrieve(ctx, "pi_1", nil)
		equal(failed(err).HTTPStatusCode, 401)
		return "parameter_unknown; 401"
	}},
	{"webhook", func() string {
		sale := paid(nil)
		time.Sleep(300 * time.Millisecond)
		var hooks struct {
			Secret   string
			Received []struct {
				Headers map[string]string
				Body    string
			}
		}
		control("webhooks", nil, &hooks)
		var kinds []string
		for _, each := range hooks.Received {
			if !strings.Contains(each.Body, sale.ID) {
				continue
			}
			mark := each.Headers["stripe-signature"]
			event, err := webhook.ConstructEvent([]byte(each.Body), mark, hooks.Secret)
			must(err)
			kinds = append(kinds, string(event.Type))
			if _, err = webhook.ConstructEvent([]byte(each.Body+" "), mark, hooks.Secret); err == nil {
				panic("another body was accepted")
			}
		}
		slices.Sort(kinds)
		equal(kinds, []string{
			"charge.succeeded", "payment_intent.created", "payment_intent.succeeded"})
		return "ConstructEvent, which also checks the API version; another body is refused"
	}},
}

func run(each scenario) (cell object) {
	cell = object{"scenario": each.name, "result": "passed"}
	defer func() {
		if problem := recover(); problem != nil {
			cell = object{"scenario": each.name, "result": "failed", "detail": fmt.Sprint(problem)}
		}
		for _, kind := range []string{"http_error", "slow_answer", "rate_limit"} {
			control("heal", object{"kind": kind}, nil)
		}
		control("cut", object{"times": 0}, nil)
	}()
	cell["detail"] = each.work()
	return cell
}

func main() {
	for number, each := range append(scenarios, further...) {
		order = fmt.Sprintf("%s%07d", os.Getenv("PAYCHAIN_PREFIX"), number+1)
		line, err := json.Marshal(run(each))
		must(err)
		fmt.Println(string(line))
	}
}
