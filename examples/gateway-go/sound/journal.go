package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync"
)

// Attempt is what became of asking one account to hold the amount of an order.
type Attempt struct {
	State     string `json:"state"` // asked, held, unknown, cancelled, captured, refunded
	Reference string `json:"reference,omitempty"`
}

// Held is an order as the gateway remembers it.
type Held struct {
	ID        string             `json:"id"`
	Amount    int64              `json:"amount"`
	Currency  string             `json:"currency"`
	Card      string             `json:"card"`
	State     string             `json:"state"` // pending, paid, refused
	Code      string             `json:"code,omitempty"`
	Charged   int64              `json:"charged"`
	PaidAt    string             `json:"paid_at,omitempty"`
	CaptureAt string             `json:"capture_at,omitempty"`
	Reference string             `json:"reference,omitempty"`
	Attempts  map[string]Attempt `json:"attempts"`
	Event     string             `json:"event,omitempty"` // the id of the webhook that said so
}

// Journal keeps orders as lines of a file, read again when the gateway starts.
type Journal struct {
	mutex  sync.Mutex
	file   *os.File
	orders map[string]Held
	events map[string]bool
}

func openJournal(path string) (*Journal, error) {
	journal := &Journal{orders: map[string]Held{}, events: map[string]bool{}}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, line := range bytes.Split(old, []byte("\n")) {
		var held Held
		if json.Unmarshal(line, &held) != nil {
			continue // the last line of a process that died while it wrote
		}
		journal.apply(held)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil && len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		_, err = file.WriteString("\n") // or the next line would be lost with it
	}
	journal.file = file
	return journal, err
}

func (j *Journal) apply(held Held) {
	if held.Event != "" {
		j.events[held.Event] = true
		held.Event = ""
	}
	if held.ID != "" {
		j.orders[held.ID] = held
	}
}

// write is called with the mutex held, before anything is sent: a crash must not forget it.
func (j *Journal) write(held Held) {
	line, _ := json.Marshal(held)
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		panic(err) // what is not written down must not be done
	}
	j.apply(held)
}

// Change writes an order down with a change; the order as it is then.
func (j *Journal) Change(id string, change func(*Held)) Held {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	held := j.orders[id].copied()
	change(&held)
	j.write(held)
	return held
}

// copied: whoever reads an order does so without the mutex.
func (h Held) copied() Held {
	attempts := map[string]Attempt{}
	for name, attempt := range h.Attempts {
		attempts[name] = attempt
	}
	h.Attempts = attempts
	return h
}

// Begin remembers a new order; false when it is known already.
func (j *Journal) Begin(held Held) bool {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if _, known := j.orders[held.ID]; known {
		return false
	}
	j.write(held)
	return true
}

// Order returns an order as it is remembered.
func (j *Journal) Order(id string) (Held, bool) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	held, known := j.orders[id]
	return held, known
}

// Open returns the orders of which something is left to do.
func (j *Journal) Open() []Held {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	var open []Held
	for _, held := range j.orders {
		if held.isOpen() {
			open = append(open, held)
		}
	}
	return open
}

func (h Held) isOpen() bool {
	if h.State == "pending" {
		return true
	}
	for _, attempt := range h.Attempts {
		if attempt.State == "unknown" || attempt.State == "captured" {
			return true
		}
	}
	return false
}

// Once writes down what a webhook says of an order, if the gateway knows that order, in one line with
// the webhook's id: a crash must not leave one without the other. What came before changes nothing.
func (j *Journal) Once(event, id string, change func(*Held)) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.events[event] {
		return
	}
	held := Held{}
	if order, known := j.orders[id]; known {
		held = order.copied()
		change(&held)
	}
	held.Event = event
	j.write(held)
}
