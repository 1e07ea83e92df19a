// The same gateway, made so that no customer is ever charged twice.
//
//   - One key for one order and account: a repeat is recognised.
//   - Money is held first and captured once; a second hold is always cancelled.
//   - What an account did not answer is unknown, written down before it is asked, and cancelled later.
//     So is what it answered about another intent, or of an intent that is not held.
//   - What a webhook says is captured of an order that was refused is given back.
//   - Webhooks are proved, known by their ids once what they say is written down with them, and only
//     ever finish what the gateway has begun.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/paymentintent"
	"github.com/stripe/stripe-go/v85/refund"
	"github.com/stripe/stripe-go/v85/webhook"
)

const sweepEvery = 500 * time.Millisecond

type account struct {
	name    string
	client  paymentintent.Client
	refunds refund.Client
	secret  string
}

type gateway struct {
	accounts []account
	journal  *Journal
	busy     sync.Map // one thing at a time for each order
}

func at(name, base, secret string) account {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL:               stripe.String(base),
		HTTPClient:        &http.Client{Timeout: 2 * time.Second},
		MaxNetworkRetries: stripe.Int64(0), // repeats are ours to decide
	})
	const key = "sk_test_gateway"
	return account{
		name,
		paymentintent.Client{B: backend, Key: key},
		refund.Client{B: backend, Key: key},
		secret,
	}
}

// prepare makes an intent that holds nothing yet: whatever follows, its id is known.
func (g *gateway) prepare(a account, order Held) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentParams{
		Amount:        stripe.Int64(order.Amount),
		Currency:      stripe.String(strings.ToLower(order.Currency)),
		PaymentMethod: stripe.String(order.Card),
		CaptureMethod: stripe.String("manual"),
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{
			Enabled:        stripe.Bool(true),
			AllowRedirects: stripe.String("never"),
		},
	}
	params.AddMetadata("order", order.ID)
	params.SetIdempotencyKey(order.ID + "-create")
	return a.client.New(params)
}

// about is an error when an answer is about another intent, as from a cache: it says nothing then.
func about(reference string, intent *stripe.PaymentIntent, err error) (*stripe.PaymentIntent, error) {
	if err == nil && intent.ID != reference {
		err = fmt.Errorf("%s: the answer is about %s", reference, intent.ID)
	}
	return intent, err
}

func (g *gateway) authorise(order Held) {
	for _, a := range g.accounts {
		intent, err := g.prepare(a, order)
		if err != nil || intent.Metadata["order"] != order.ID {
			continue // what was never confirmed takes no money, and another order's is not ours
		}
		g.attempt(order.ID, a.name, "asked", intent.ID) // a crash must not forget it
		params := &stripe.PaymentIntentConfirmParams{}
		params.SetIdempotencyKey(order.ID + "-confirm")
		reference := intent.ID
		intent, err = a.client.Confirm(reference, params)
		intent, err = about(reference, intent, err)
		if err == nil && intent.Status == stripe.PaymentIntentStatusRequiresCapture {
			g.journal.Change(order.ID, func(h *Held) {
				h.CaptureAt, h.Reference = a.name, reference
				h.Attempts[a.name] = Attempt{"held", reference}
			})
			return
		}
		// Whatever it says, money may be held: an account may decline and hold it all the same, and
		// what is refused now net/http may have sent before, over a connection that broke: it sends
		// a request with an idempotency key again. A cancel makes sure.
		g.attempt(order.ID, a.name, "unknown", reference)
		var failed *stripe.Error
		if errors.As(err, &failed) && failed.Type == stripe.ErrorTypeCard {
			g.refuse(order.ID, string(failed.Code))
			return
		}
	}
	g.refuse(order.ID, "try_later")
}

func (g *gateway) attempt(id, name, state, reference string) {
	g.journal.Change(id, func(h *Held) { h.Attempts[name] = Attempt{state, reference} })
}

func (g *gateway) refuse(id, code string) {
	g.journal.Change(id, func(h *Held) {
		if h.State == "pending" {
			h.State, h.Code = "refused", code
		}
	})
}

func (g *gateway) finish(id string, intent *stripe.PaymentIntent) {
	g.journal.Change(id, func(h *Held) { h.finish(intent) })
}

func (g *gateway) capture(id string) {
	order, _ := g.journal.Order(id) // only now: whoever captured before has written it down
	if order.State != "pending" || order.CaptureAt == "" {
		return
	}
	client := g.named(order.CaptureAt).client
	// A stored error is repeated for its key, so the intent itself is asked first.
	intent, err := client.Get(order.Reference, nil)
	intent, err = about(order.Reference, intent, err)
	if err == nil && intent.Status == stripe.PaymentIntentStatusRequiresCapture {
		params := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(order.Amount)}
		intent, err = client.Capture(order.Reference, params)
		intent, err = about(order.Reference, intent, err)
	}
	switch {
	case err != nil: // unknown: the sweep asks again
	case intent.Status == stripe.PaymentIntentStatusSucceeded:
		g.finish(order.ID, intent)
	case intent.Status != stripe.PaymentIntentStatusProcessing:
		g.giveUp(order)
	}
}

// giveUp: nothing is held any more, or never was, so there is nothing to wait for. What a webhook
// has reported as paid meanwhile stays paid, and is not given back.
func (g *gateway) giveUp(order Held) {
	g.journal.Change(order.ID, func(h *Held) {
		if h.State == "pending" {
			h.State, h.Code = "refused", "try_later"
			h.Attempts[order.CaptureAt] = Attempt{"unknown", order.Reference}
		}
	})
}

// resolve cancels what may be held: whether it was is not asked. What was captured although the
// account had denied it is given back.
func (g *gateway) resolve(order Held, name, reference string) {
	client := g.named(name).client
	intent, err := client.Get(reference, nil)
	intent, err = about(reference, intent, err)
	if err == nil && intent.Status == stripe.PaymentIntentStatusSucceeded {
		g.giveBack(order, name, reference)
		return
	}
	if err == nil && intent.Status != stripe.PaymentIntentStatusCanceled {
		intent, err = client.Cancel(reference, nil)
		intent, err = about(reference, intent, err)
	}
	if err == nil && intent.Status == stripe.PaymentIntentStatusCanceled {
		g.journal.Change(order.ID, func(h *Held) {
			// A webhook may have said meanwhile that it is captured.
			if h.Attempts[name].State == "unknown" {
				h.Attempts[name] = Attempt{"cancelled", reference}
			}
		})
	}
}

func (g *gateway) giveBack(order Held, name, reference string) {
	if refunded(g.named(name), reference) {
		g.attempt(order.ID, name, "refunded", reference)
	}
}

// refunded gives all of it back, and returns whether that is done. The same key would repeat a
// stored error; a second refund the account refuses.
func refunded(a account, reference string) bool {
	made, err := a.refunds.New(&stripe.RefundParams{PaymentIntent: stripe.String(reference)})
	var failed *stripe.Error
	if errors.As(err, &failed) {
		return failed.Code == stripe.ErrorCodeChargeAlreadyRefunded
	}
	isDone := err == nil && made.PaymentIntent != nil && made.PaymentIntent.ID == reference
	return isDone &&
		(made.Status == stripe.RefundStatusSucceeded || made.Status == stripe.RefundStatusPending)
}

func (g *gateway) named(name string) account {
	for _, a := range g.accounts {
		if a.name == name {
			return a
		}
	}
	panic("no account " + name)
}

func (g *gateway) alone(key string, work func()) {
	if _, busy := g.busy.LoadOrStore(key, true); busy {
		return
	}
	defer g.busy.Delete(key)
	work()
}

func (g *gateway) sweep() {
	for range time.Tick(sweepEvery) {
		for _, order := range g.journal.Open() {
			for name, attempt := range order.Attempts {
				work, isDue := map[string]func(Held, string, string){
					"unknown": g.resolve, "captured": g.giveBack,
				}[attempt.State]
				if isDue {
					go g.alone(order.ID+" "+name, func() { work(order, name, attempt.Reference) })
				}
			}
			go g.alone(order.ID+" capture", func() { g.capture(order.ID) })
		}
	}
}

// recover is called after a crash: what was asked and not answered is unknown.
func (g *gateway) recover() {
	for _, order := range g.journal.Open() {
		for name, attempt := range order.Attempts {
			if attempt.State == "asked" {
				g.attempt(order.ID, name, "unknown", attempt.Reference)
			}
		}
		if order.State == "pending" && order.CaptureAt == "" {
			g.refuse(order.ID, "try_later") // its customer is gone
		}
	}
}

func (g *gateway) show(w http.ResponseWriter, id string) {
	order, known := g.journal.Order(id)
	if !known {
		answer(w, 404, map[string]string{"state": "unknown"})
		return
	}
	status, known := map[string]int{"paid": 200, "refused": 402}[order.State]
	if !known {
		status = 202
	}
	answer(w, status, map[string]any{
		"state": order.State, "code": order.Code, "charged": order.Charged, "paid_at": order.PaidAt,
	})
}

func (g *gateway) takeWebhook(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	name := r.PathValue("account")
	secret := g.named(name).secret
	options := webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true}
	event, err := webhook.ConstructEventWithOptions(
		body, r.Header.Get("Stripe-Signature"), secret, options)
	if err != nil {
		answer(w, 400, map[string]string{"error": "signature"})
		return
	}
	id, change := changeFor(name, event)
	g.journal.Once(event.ID, id, change)
	answer(w, 200, map[string]bool{"received": true})
}

// changeFor is what an event changes of an order, and which order that is; none if it has no id.
func changeFor(name string, event stripe.Event) (string, func(*Held)) {
	switch event.Type {
	case "payment_intent.succeeded":
		var intent stripe.PaymentIntent
		if json.Unmarshal(event.Data.Raw, &intent) == nil {
			return intent.Metadata["order"], func(h *Held) { h.captured(name, &intent) }
		}
	case "refund.failed": // a second one would fail, too: a person has to look
		var failed stripe.Refund
		if json.Unmarshal(event.Data.Raw, &failed) == nil && failed.PaymentIntent != nil {
			log.Printf("the refund of %s failed: pay it back in another way", failed.PaymentIntent.ID)
		}
	}
	return "", nil
}

// captured: what the account has proved to be captured is not asked, which may be denied.
func (h *Held) captured(name string, intent *stripe.PaymentIntent) {
	if h.Reference == intent.ID {
		h.finish(intent)
	}
	attempt := h.Attempts[name]
	isGivenUp := attempt.State == "unknown" || attempt.State == "cancelled"
	if attempt.Reference == intent.ID && isGivenUp {
		h.Attempts[name] = Attempt{"captured", intent.ID}
	}
}

func (h *Held) finish(intent *stripe.PaymentIntent) {
	if h.State == "pending" {
		h.State, h.Charged, h.PaidAt = "paid", intent.AmountReceived, intent.ID
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func main() {
	path := os.Getenv("GATEWAY_JOURNAL")
	if path == "" {
		path = "gateway.journal"
	}
	journal, err := openJournal(path)
	if err != nil {
		panic(err)
	}
	g := &gateway{journal: journal, accounts: []account{
		at("stripe", os.Getenv("STRIPE_API_BASE"), os.Getenv("STRIPE_SECRET")),
		at("backup", os.Getenv("BACKUP_API_BASE"), os.Getenv("BACKUP_SECRET")),
	}}
	g.recover()
	go g.sweep()

	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]string{"status": "up"})
	})
	http.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Order, Currency, Card string
			Amount                int64
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			answer(w, 400, map[string]string{"error": err.Error()})
			return
		}
		order := Held{ID: asked.Order, Amount: asked.Amount, Currency: asked.Currency,
			Card: asked.Card, State: "pending"}
		if g.journal.Begin(order) {
			g.authorise(order)
			g.alone(order.ID+" capture", func() { g.capture(order.ID) })
		}
		g.show(w, order.ID)
	})
	http.HandleFunc("GET /orders/{order}", func(w http.ResponseWriter, r *http.Request) {
		g.show(w, r.PathValue("order"))
	})
	http.HandleFunc("POST /webhooks/{account}", g.takeWebhook)
	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), os.Getenv("PORT"))
	panic(http.ListenAndServe(address, nil))
}
