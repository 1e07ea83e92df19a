package main

// What Stripe's Go SDK does beyond a payment, and what it does on its own.

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
)

type exchange struct {
	Method, Target, Body string
	Headers              map[string]string
	Status               int
}

func last(number int) (seen []exchange) {
	control("exchanges", object{"last": number}, &seen)
	return seen
}

func email() *string { return stripe.String(order + "@shop.example") }

func newCustomer() *stripe.Customer {
	made, err := client.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Email: email()})
	must(err)
	return made
}

func customers(limit int64, change func(*stripe.CustomerListParams)) *stripe.CustomerListParams {
	asked := &stripe.CustomerListParams{Email: email()}
	asked.Limit = stripe.Int64(limit)
	if change != nil {
		change(asked)
	}
	return asked
}

func collected[T any](all stripe.Seq2[T, error]) (found []T) {
	all(func(each T, err error) bool {
		must(err)
		found = append(found, each)
		return true
	})
	return found
}

func ids(found []*stripe.Customer) (names []string) {
	for _, each := range found {
		names = append(names, each.ID)
	}
	return names
}

// visited is where a page sends its visitor.
func visited(page string) string {
	visitor := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	answer, err := visitor.Get(page)
	must(err)
	defer answer.Body.Close()
	return answer.Header.Get("Location")
}

func inject(kind string, more object) {
	asked := object{"kind": kind}
	for name, value := range more {
		asked[name] = value
	}
	control("inject", asked, nil)
}

func heal(kind string) { control("heal", object{"kind": kind}, nil) }

func setUp(customer, card string) *stripe.SetupIntent {
	asked := &stripe.SetupIntentCreateParams{
		Customer:      stripe.String(customer),
		PaymentMethod: stripe.String(card),
		Confirm:       stripe.Bool(true),
		ReturnURL:     stripe.String("https://shop.example/return"),
	}
	asked.AddExpand("payment_method")
	setup, err := client.V1SetupIntents.Create(ctx, asked)
	must(err)
	return setup
}

var further = []scenario{
	{"customer", func() string {
		asked := &stripe.CustomerCreateParams{Email: email(), Name: stripe.String("Ada")}
		asked.AddMetadata("tier", "gold")
		made, err := client.V1Customers.Create(ctx, asked)
		must(err)
		change := &stripe.CustomerUpdateParams{Name: stripe.String("Ada L.")}
		change.AddMetadata("a", "b")
		changed, err := client.V1Customers.Update(ctx, made.ID, change)
		must(err)
		equal(changed.Metadata, map[string]string{"tier": "gold", "a": "b"})
		listed := client.V1Customers.List(ctx, customers(10, nil))
		equal(listed.Data()[0].Name, "Ada L.")
		search := &stripe.CustomerSearchParams{}
		search.Query = fmt.Sprintf("email:%q", *email())
		equal(ids(collected(client.V1Customers.Search(ctx, search).All(ctx))), []string{made.ID})
		gone, err := client.V1Customers.Delete(ctx, made.ID, nil)
		must(err)
		equal(gone.Deleted, true)
		seen, err := client.V1Customers.Retrieve(ctx, made.ID, nil)
		must(err)
		equal([]any{seen.Deleted, seen.Email}, []any{true, ""})
		equal(len(client.V1Customers.List(ctx, customers(10, nil)).Data()), 0)
		_, err = client.V1Customers.Update(ctx, made.ID, change)
		equal(failed(err).Code, stripe.ErrorCodeResourceMissing)
		return "list by email, search; a deleted one is read as Deleted"
	}},
	{"stored card", func() string {
		customer := newCustomer().ID
		card, err := client.V1PaymentMethods.Create(ctx, &stripe.PaymentMethodCreateParams{
			Type: stripe.String("card"),
			Card: &stripe.PaymentMethodCreateCardParams{Token: stripe.String("tok_visa")}})
		must(err)
		setup := setUp(customer, card.ID)
		equal(setup.Status, stripe.SetupIntentStatusSucceeded)
		equal(setup.PaymentMethod.Customer.ID, customer)
		kept := client.V1Customers.ListPaymentMethods(
			ctx, &stripe.CustomerListPaymentMethodsParams{Customer: stripe.String(customer)})
		equal([]any{len(kept.Data()), kept.Data()[0].ID}, []any{1, card.ID})
		sale := paid(func(asked *stripe.PaymentIntentCreateParams) {
			asked.Customer = stripe.String(customer)
			asked.PaymentMethod = stripe.String(card.ID)
			asked.OffSession = stripe.Bool(true)
		})
		equal(sale.Status, stripe.PaymentIntentStatusSucceeded)
		waits := setUp(customer, "pm_card_authenticationRequiredOnSetup")
		equal(waits.Status, stripe.SetupIntentStatusRequiresAction)
		visited(waits.NextAction.RedirectToURL.URL)
		done, err := client.V1SetupIntents.Retrieve(ctx, waits.ID, nil)
		must(err)
		equal(done.Status, stripe.SetupIntentStatusSucceeded)
		free, err := client.V1PaymentMethods.Detach(ctx, card.ID, nil)
		must(err)
		equal(free.Customer == nil, true)
		_, err = pay(func(asked *stripe.PaymentIntentCreateParams) {
			asked.PaymentMethod = stripe.String(card.ID)
		})
		equal(strings.Contains(failed(err).Msg, "may not be used again"), true)
		equal(booked("captured"), []int{1000})
		return "a SetupIntent keeps it, off_session pays; a detached one is refused"
	}},
	{"hosted page", func() string {
		asked := &stripe.CheckoutSessionCreateParams{
			Mode:       stripe.String("payment"),
			SuccessURL: stripe.String("https://shop.example/done?session={CHECKOUT_SESSION_ID}"),
			LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
				Quantity: stripe.Int64(2),
				PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
					Currency:   stripe.String("eur"),
					UnitAmount: stripe.Int64(500),
					ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
						Name: stripe.String("Cap")}}}},
			PaymentIntentData: &stripe.CheckoutSessionCreatePaymentIntentDataParams{
				Metadata: map[string]string{"order": order}},
		}
		session, err := client.V1CheckoutSessions.Create(ctx, asked)
		must(err)
		equal(session.Status, stripe.CheckoutSessionStatusOpen)
		equal(session.PaymentIntent == nil, true)
		equal(visited(session.URL), "https://shop.example/done?session="+session.ID)
		reads := &stripe.CheckoutSessionRetrieveParams{}
		reads.AddExpand("payment_intent.latest_charge")
		reads.AddExpand("line_items")
		done, err := client.V1CheckoutSessions.Retrieve(ctx, session.ID, reads)
		must(err)
		equal(done.Status, stripe.CheckoutSessionStatusComplete)
		equal(done.PaymentStatus, stripe.CheckoutSessionPaymentStatusPaid)
		equal(done.PaymentIntent.LatestCharge.Amount, int64(1000))
		equal(done.LineItems.Data[0].Description, "Cap")
		lines := client.V1CheckoutSessions.ListLineItems(
			ctx, &stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(session.ID)})
		equal(collected(lines.All(ctx))[0].Quantity, int64(2))
		_, err = client.V1CheckoutSessions.Expire(ctx, session.ID, nil)
		equal(failed(err).Type, stripe.ErrorTypeInvalidRequest)
		equal(booked("captured"), []int{1000})
		return "a Checkout Session: open, then complete and paid"
	}},
	{"front end", func() string {
		owner := newCustomer()
		token, err := client.V1TestHelpersConfirmationTokens.Create(
			ctx, &stripe.TestHelpersConfirmationTokenCreateParams{
				PaymentMethod: stripe.String("pm_card_visa"),
				ReturnURL:     stripe.String("https://shop.example/return")})
		must(err)
		shown, err := client.V1ConfirmationTokens.Retrieve(ctx, token.ID, nil)
		must(err)
		equal(shown.PaymentMethodPreview.Card.Last4, "4242")
		asked := params(nil)
		asked.PaymentMethod, asked.Confirm = nil, nil
		intent, err := client.V1PaymentIntents.Create(ctx, asked)
		must(err)
		done, err := client.V1PaymentIntents.Confirm(
			ctx, intent.ID, &stripe.PaymentIntentConfirmParams{ConfirmationToken: stripe.String(token.ID)})
		must(err)
		equal(done.Status, stripe.PaymentIntentStatusSucceeded)
		equal(booked("captured"), []int{1000})
		key, err := client.V1EphemeralKeys.Create(ctx, &stripe.EphemeralKeyCreateParams{
			Customer: stripe.String(owner.ID), StripeVersion: stripe.String(stripe.APIVersion)})
		must(err)
		gone, err := client.V1EphemeralKeys.Delete(ctx, key.ID, nil)
		must(err)
		equal(gone.ID, key.ID)
		element := &stripe.CustomerSessionCreateComponentsPaymentElementParams{
			Enabled: stripe.Bool(true)}
		session, err := client.V1CustomerSessions.Create(ctx, &stripe.CustomerSessionCreateParams{
			Customer:   stripe.String(owner.ID),
			Components: &stripe.CustomerSessionCreateComponentsParams{PaymentElement: element}})
		must(err)
		equal(session.Components.PaymentElement.Enabled, true)
		return "a confirmation token pays; ephemeral keys and customer sessions"
	}},
	{"changed refund", func() string {
		refund, err := client.V1Refunds.Create(ctx, &stripe.RefundCreateParams{
			PaymentIntent: stripe.String(paid(nil).ID), Amount: stripe.Int64(300)})
		must(err)
		change := &stripe.RefundUpdateParams{}
		change.AddMetadata("why", "broken")
		changed, err := client.V1Refunds.Update(ctx, refund.ID, change)
		must(err)
		equal(changed.Metadata, map[string]string{"why": "broken"})
		_, err = client.V1Refunds.Cancel(ctx, refund.ID, nil)
		equal(failed(err).Type, stripe.ErrorTypeInvalidRequest)
		equal(strings.Contains(failed(err).Msg, "requires_action"), true)
		seen, err := client.V1Refunds.Retrieve(ctx, refund.ID, nil)
		must(err)
		equal(seen.Status, stripe.RefundStatusSucceeded)
		equal(booked("refunded"), []int{300})
		return "its metadata; only one that requires_action can be cancelled: stripe.Error"
	}},
	{"dispute", func() string {
		disputed := clientOf(os.Getenv("PAYCHAIN_DISPUTED_URL"), "sk_test_paychain", 0)
		sale, err := disputed.V1PaymentIntents.Create(ctx, params(nil))
		must(err)
		var found []*stripe.Dispute
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			asked := &stripe.DisputeListParams{PaymentIntent: stripe.String(sale.ID)}
			if found = collected(disputed.V1Disputes.List(ctx, asked).All(ctx)); len(found) > 0 {
				break
			}
		}
		equal(len(found), 1)
		equal(found[0].Charge.ID, sale.LatestCharge.ID)
		equal(found[0].Status, stripe.DisputeStatusNeedsResponse)
		sent, err := disputed.V1Disputes.Update(ctx, found[0].ID, &stripe.DisputeUpdateParams{
			Evidence: &stripe.DisputeUpdateEvidenceParams{
				ProductDescription: stripe.String("a cap")}})
		must(err)
		equal(sent.Status, stripe.DisputeStatusUnderReview)
		equal(sent.EvidenceDetails.HasEvidence, true)
		_, err = disputed.V1Disputes.Close(ctx, found[0].ID, nil)
		equal(failed(err).Type, stripe.ErrorTypeInvalidRequest)
		return "needs_response; evidence puts it under_review, and it can no longer be closed"
	}},
	{"catalogue", func() string {
		product, err := client.V1Products.Create(
			ctx, &stripe.ProductCreateParams{Name: stripe.String("Shirt")})
		must(err)
		asked := &stripe.PriceCreateParams{
			Product:    stripe.String(product.ID),
			Currency:   stripe.String("eur"),
			UnitAmount: stripe.Int64(1000),
			LookupKey:  stripe.String(order),
		}
		price, err := client.V1Prices.Create(ctx, asked)
		must(err)
		byKey := &stripe.PriceListParams{LookupKeys: []*string{stripe.String(order)}}
		byKey.AddExpand("data.product")
		found := client.V1Prices.List(ctx, byKey).Data()
		equal([]any{len(found), found[0].Product.Name}, []any{1, "Shirt"})
		equal(found[0].UnitAmountDecimal, 1000.0)
		twice := &stripe.PriceCreateParams{
			Product:    stripe.String(product.ID),
			Currency:   stripe.String("eur"),
			UnitAmount: stripe.Int64(5),
			LookupKey:  stripe.String(order),
		}
		_, err = client.V1Prices.Create(ctx, twice)
		equal(failed(err).Type, stripe.ErrorTypeInvalidRequest)
		_, err = client.V1Prices.Update(
			ctx, price.ID, &stripe.PriceUpdateParams{Active: stripe.Bool(false)})
		must(err)
		sold := &stripe.PriceListParams{
			Product: stripe.String(product.ID), Active: stripe.Bool(true)}
		equal(len(client.V1Prices.List(ctx, sold).Data()), 0)
		_, err = client.V1Products.Delete(ctx, product.ID, nil)
		equal(strings.Contains(failed(err).Msg, "user-created prices"), true)
		return "products and prices; by lookup_key, with the product expanded"
	}},
	{"lists", func() string {
		var made []string
		for range 7 {
			made = append([]string{newCustomer().ID}, made...)
		}
		all := collected(client.V1Customers.List(ctx, customers(3, nil)).All(ctx))
		equal(ids(all), made)
		var pages []string
		for _, each := range last(3) {
			asked, err := url.Parse(each.Target)
			must(err)
			pages = append(pages, asked.Query().Get("starting_after"))
		}
		equal(pages, []string{"", made[2], made[5]})
		single := client.V1Customers.List(ctx, customers(3, func(asked *stripe.CustomerListParams) {
			asked.Single = true
		}))
		equal([]any{len(collected(single.All(ctx))), single.Meta().HasMore}, []any{3, true})
		upwards := client.V1Customers.List(ctx, customers(2, func(asked *stripe.CustomerListParams) {
			asked.EndingBefore = stripe.String(made[6])
		}))
		older := slices.Clone(made[:6])
		slices.Reverse(older)
		equal(ids(collected(upwards.All(ctx))), older)
		search := &stripe.CustomerSearchParams{}
		search.Query = fmt.Sprintf("email:%q", *email())
		search.Limit = stripe.Int64(3)
		equal(ids(collected(client.V1Customers.Search(ctx, search).All(ctx))), made)
		later := client.V1Customers.List(ctx, customers(3, func(asked *stripe.CustomerListParams) {
			asked.CreatedRange = &stripe.RangeQueryParams{GreaterThan: all[0].Created}
		}))
		equal(len(later.Data()), 0)
		equal(failed(client.V1Customers.List(ctx, customers(101, nil)).Err()).Param, "limit")
		return "auto-pagination onwards and backwards, by starting_after, ending_before and page"
	}},
	{"errors", func() string {
		var seen []string
		for _, each := range []struct {
			status int
			inner  error
		}{
			{400, &stripe.InvalidRequestError{}}, {401, &stripe.InvalidRequestError{}},
			{402, &stripe.CardError{}}, {403, &stripe.InvalidRequestError{}},
			{404, &stripe.InvalidRequestError{}}, {429, &stripe.InvalidRequestError{}},
			{500, &stripe.APIError{}}, {502, &stripe.APIError{}}, {504, &stripe.APIError{}},
		} {
			inject("http_error", object{"status": each.status})
			_, err := pay(nil)
			heal("http_error")
			found := failed(err)
			equal(found.HTTPStatusCode, each.status)
			equal(strings.HasPrefix(found.RequestID, "req_"), true)
			kind := fmt.Sprintf("%T", found.Err)
			equal(kind, fmt.Sprintf("%T", each.inner))
			seen = append(seen, fmt.Sprintf("%d %s", each.status, strings.TrimPrefix(kind, "*stripe.")))
		}
		_, err := pay(func(asked *stripe.PaymentIntentCreateParams) {
			asked.Amount = stripe.Int64(1 << 30)
		})
		equal(failed(err).Code, stripe.ErrorCodeAmountTooLarge)
		equal(strings.Contains(failed(err).DocURL, "amount-too-large"), true)
		inject("malformed", nil)
		_, err = pay(nil)
		heal("malformed")
		var none *stripe.Error
		equal([]any{err != nil, errors.As(err, &none)}, []any{true, false})
		return strings.Join(seen, ", ") + "; broken JSON is no stripe.Error"
	}},
	{"own retries", func() string {
		retrying := newClient("sk_test_paychain", 2)
		create := func(change func(*stripe.PaymentIntentCreateParams)) (*stripe.PaymentIntent, error) {
			return retrying.V1PaymentIntents.Create(ctx, params(change))
		}
		sent := func() int {
			before := requests()
			create(nil)
			return requests() - before
		}
		inject("http_error", object{"status": 409})
		equal(sent(), 1)
		heal("http_error")
		inject("http_error", object{"status": 500, "after_work": true})
		equal(sent(), 1)
		heal("http_error")
		inject("http_error", object{"status": 429})
		equal(sent(), 1)
		heal("http_error")
		_, err := retrying.V1Customers.Retrieve(ctx, "cus_1", nil)
		equal(failed(err).HTTPStatusCode, 404)
		equal(last(1)[0].Headers["idempotency-key"], "")
		control("cut", object{"times": 2}, nil)
		before := requests()
		sale, err := create(nil)
		must(err)
		equal(sale.LastResponse.Header.Get("Idempotent-Replayed"), "true")
		tries := requests() - before
		keys := map[string]bool{}
		for _, each := range last(tries) {
			keys[each.Headers["idempotency-key"]] = true
		}
		equal([]any{len(keys), keys[""]}, []any{1, false})
		equal(booked("captured")[len(booked("captured"))-1], 1000)
		return fmt.Sprintf("errors of Stripe are final; two cut connections cost %d requests "+
			"under one key of its own, none for a GET", tries)
	}},
	{"headers", func() string {
		stripe.SetAppInfo(&stripe.AppInfo{Name: "shop", Version: "2.0"})
		config := &stripe.BackendConfig{
			URL:           stripe.String(os.Getenv("PAYCHAIN_URL")),
			LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
		own := stripe.NewClient("sk_test_paychain", stripe.WithBackends(
			&stripe.Backends{API: stripe.GetBackendWithConfig(stripe.APIBackend, config)}))
		asked := &stripe.CustomerCreateParams{Email: email()}
		_, err := own.V1Customers.Create(ctx, asked)
		must(err)
		asked = &stripe.CustomerCreateParams{Email: email()}
		asked.SetStripeAccount("acct_1")
		made, err := own.V1Customers.Create(ctx, asked)
		must(err)
		equal(made.LastResponse.Header.Get("Stripe-Version"), stripe.APIVersion)
		seen := last(2)
		first, second := seen[0].Headers, seen[1].Headers
		equal(first["stripe-version"], stripe.APIVersion)
		equal(second["stripe-account"], "acct_1")
		equal(strings.HasPrefix(first["user-agent"], "Stripe/v1 GoBindings/"), true)
		var agent struct{ Lang string }
		must(json.Unmarshal([]byte(first["x-stripe-client-user-agent"]), &agent))
		equal(agent.Lang, "go")
		equal(strings.Contains(second["x-stripe-client-telemetry"], "req_"), true)
		newCustomer()
		equal(last(1)[0].Headers["x-stripe-client-telemetry"], "")
		return "Stripe-Version " + stripe.APIVersion + "; telemetry names the request before it"
	}},
	{"webhook checks", func() string {
		payload := []byte(fmt.Sprintf(
			`{"id":"evt_1","object":"event","type":"charge.succeeded","api_version":%q}`,
			stripe.APIVersion))
		at := func(moment time.Time) string {
			return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
				Payload: payload, Secret: "whsec_x", Timestamp: moment}).Header
		}
		now := time.Now()
		for _, each := range []struct {
			header string
			want   error
		}{
			{at(now), nil},
			{at(now.Add(-301 * time.Second)), webhook.ErrTooOld},
			{strings.Replace(at(now), "v1=", "v0=", 1), webhook.ErrNoValidSignature},
			{"t=1", webhook.ErrNoValidSignature},
			{"", webhook.ErrNotSigned},
			{"x", webhook.ErrInvalidHeader},
			// Another secret's signature beside a right one, as while a secret is rolled.
			{at(now) + ",v1=" + hex.EncodeToString(
				webhook.ComputeSignature(now, payload, "whsec_y")), nil},
		} {
			_, err := webhook.ConstructEvent(payload, each.header, "whsec_x")
			equal(errors.Is(err, each.want), true)
		}
		other := []byte(strings.Replace(string(payload), stripe.APIVersion, "2020-08-27", 1))
		signed := webhook.GenerateTestSignedPayload(
			&webhook.UnsignedPayload{Payload: other, Secret: "whsec_x"})
		_, err := webhook.ConstructEvent(other, signed.Header, "whsec_x")
		equal(err != nil, true)
		return "ErrTooOld, ErrNoValidSignature, ErrNotSigned, ErrInvalidHeader; another API version"
	}},
}
