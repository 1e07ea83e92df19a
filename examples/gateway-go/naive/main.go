// A gateway as tutorials write it. It works, until an answer or a webhook is late, lost or repeated.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/paymentintent"
)

type Order struct {
	Order    string `json:"order"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Card     string `json:"card"`
}

type Paid struct {
	State   string `json:"state"`
	Code    string `json:"code,omitempty"`
	Charged int64  `json:"charged"`
	PaidAt  string `json:"paid_at,omitempty"`
}

var orders sync.Map

// save keeps what becomes of an order; one that is paid stays so.
func save(order string, paid Paid) {
	if old, ok := orders.Load(order); !ok || old.(Paid).State != "paid" {
		orders.Store(order, paid)
	}
}

func at(base string) paymentintent.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL:               stripe.String(base),
		HTTPClient:        &http.Client{Timeout: 2 * time.Second},
		MaxNetworkRetries: stripe.Int64(0),
	})
	return paymentintent.Client{B: backend, Key: "sk_test_gateway"}
}

func pay(client paymentintent.Client, order Order) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentParams{
		Amount:        stripe.Int64(order.Amount),
		Currency:      stripe.String(strings.ToLower(order.Currency)),
		PaymentMethod: stripe.String(order.Card),
		Confirm:       stripe.Bool(true),
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{
			Enabled:        stripe.Bool(true),
			AllowRedirects: stripe.String("never"),
		},
	}
	params.AddMetadata("order", order.Order)
	params.SetIdempotencyKey(stripe.NewIdempotencyKey())
	return client.New(params)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func show(w http.ResponseWriter, id string) {
	order, ok := orders.Load(id)
	if !ok {
		order = Paid{State: "unknown"}
	}
	status, ok := map[string]int{"paid": 200, "refused": 402, "unknown": 404}[order.(Paid).State]
	if !ok {
		status = 202
	}
	answer(w, status, order)
}

func main() {
	primary, backup := at(os.Getenv("STRIPE_API_BASE")), at(os.Getenv("BACKUP_API_BASE"))

	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]string{"status": "up"})
	})

	http.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var order Order
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			answer(w, 400, Paid{State: "bad request"})
			return
		}
		intent, err := pay(primary, order)
		var failed *stripe.Error
		if err != nil && !(errors.As(err, &failed) && failed.Type == stripe.ErrorTypeCard) {
			intent, err = pay(backup, order) // the first account is down: the sale must not be lost
		}
		switch {
		case err == nil:
			save(order.Order, Paid{State: "processing", PaidAt: intent.ID}) // paid is what the webhook says
		case errors.As(err, &failed):
			save(order.Order, Paid{State: "refused", Code: string(failed.Code)})
		default:
			save(order.Order, Paid{State: "refused", Code: "error"})
		}
		show(w, order.Order)
	})

	http.HandleFunc("GET /orders/{order}", func(w http.ResponseWriter, r *http.Request) {
		show(w, r.PathValue("order"))
	})

	http.HandleFunc("POST /webhooks/{account}", func(w http.ResponseWriter, r *http.Request) {
		var event stripe.Event
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			answer(w, 400, Paid{State: "bad request"})
			return
		}
		var intent stripe.PaymentIntent
		if event.Type == "payment_intent.succeeded" && json.Unmarshal(event.Data.Raw, &intent) == nil {
			paid := Paid{State: "paid", Charged: intent.AmountReceived, PaidAt: intent.ID}
			save(intent.Metadata["order"], paid)
		}
		answer(w, 200, map[string]bool{"received": true})
	})

	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), os.Getenv("PORT"))
	panic(http.ListenAndServe(address, nil))
}
