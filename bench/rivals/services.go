// The links of a card payment, as an engineer would write them in an afternoon to test against:
// one process each, JSON over HTTP/1.1, idempotency by key, a book of approvals.
//
//	services LINK PORT [NAME=URL ...]
//
// LINK is asked at POST /pay and asks each of the URLs in turn; every one has to approve.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type payment struct {
	Payment     string          `json:"payment"`
	AmountMinor int64           `json:"amount_minor"`
	Currency    string          `json:"currency"`
	Instrument  json.RawMessage `json:"instrument"`
	Merchant    string          `json:"merchant,omitempty"`
	Attempt     int             `json:"attempt,omitempty"`
	Reference   string          `json:"reference,omitempty"`
	Key         string          `json:"key"`
}

type answer struct {
	Outcome   string `json:"outcome"`
	Code      string `json:"code"`
	DecidedBy string `json:"decided_by"`
	Reference string `json:"reference"`
}

type link struct {
	name   string
	asks   []string
	client *http.Client
	lock   sync.Mutex
	known  map[string]answer // by idempotency key
	book   map[string]int64  // held, by reference
}

// ask sends the payment on; false: no approval came in time.
func (l *link) ask(ctx context.Context, url string, p payment) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body, err := json.Marshal(p)
	if err != nil {
		return false
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/pay", bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	var given answer
	return err == nil && json.Unmarshal(read, &given) == nil && given.Outcome == "approved"
}

func (l *link) pay(out http.ResponseWriter, in *http.Request) {
	var p payment
	if err := json.NewDecoder(in.Body).Decode(&p); err != nil || p.Key == "" {
		http.Error(out, "not a payment", http.StatusBadRequest)
		return
	}
	l.lock.Lock()
	given, isKnown := l.known[p.Key]
	l.lock.Unlock()
	if !isKnown {
		p.Reference = p.Payment + "-1"
		given = answer{"approved", "00", l.name, p.Reference}
		for _, url := range l.asks {
			if !l.ask(in.Context(), url, p) {
				given.Outcome, given.Code = "declined", "91"
				break
			}
		}
		l.lock.Lock()
		l.known[p.Key] = given
		if given.Outcome == "approved" {
			l.book[p.Reference] = p.AmountMinor
		}
		l.lock.Unlock()
	}
	body, _ := json.Marshal(given)
	out.Header().Set("Content-Type", "application/json")
	out.Write(body)
}

func main() {
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute}
	l := &link{name: os.Args[1], client: &http.Client{Transport: transport},
		known: map[string]answer{}, book: map[string]int64{}}
	for _, each := range os.Args[3:] {
		_, url, _ := strings.Cut(each, "=")
		l.asks = append(l.asks, url)
	}
	http.HandleFunc("/pay", l.pay)
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%s", os.Args[2]), nil))
}
