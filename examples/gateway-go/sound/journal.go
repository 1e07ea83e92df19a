package main

import (
	"bufio"
	"encoding/json"
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
	Event     string             `json:"event,omitempty"` // a line of its own: a webhook was seen
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
	if old, err := os.Open(path); err == nil {
		lines := bufio.NewScanner(old)
		for lines.Scan() {
			var held Held
			if json.Unmarshal(lines.Bytes(), &held) != nil {
				continue // the last line of a process that died while it wrote
			}
			journal.apply(held)
		}
		_ = old.Close()
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	journal.file = file
	return journal, err
}

func (j *Journal) apply(held Held) {
	if held.Event != "" {
		j.events[held.Event] = true
	} else {
		j.orders[held.ID] = held
	}
}

// write is called with the mutex held, before anything is sent: a crash must not forget it.
func (j *Journal) write(held Held) {
	line, _ := json.Marshal(held)
	_, _ = j.file.Write(append(line, '\n'))
	j.apply(held)
}

// Change writes an order down with a change; the order as it is then.
func (j *Journal) Change(id string, change func(*Held)) Held {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	held := j.orders[id]
	attempts := map[string]Attempt{}
	for name, attempt := range held.Attempts {
		attempts[name] = attempt
	}
	held.Attempts = attempts
	change(&held)
	j.write(held)
	return held
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

// IsNewEvent remembers a webhook's id; false when it came before.
func (j *Journal) IsNewEvent(id string) bool {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.events[id] {
		return false
	}
	j.write(Held{Event: id})
	return true
}
