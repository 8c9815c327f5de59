// SPDX-License-Identifier: Apache-2.0

// Package mail is shared by both workers in Go: options, the message, its work, the verdict. README.md describes it.
package mail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Verdict of one delivery.
type Verdict int

const (
	Done   Verdict = iota
	Retry          // give it back
	Reject         // without requeue: to the dead letters
)

const refused = 65 // EX_DATAERR: the exit status of a command that will never take this mail

var errPoison = errors.New("no JSON of lsmtpd")

// Mail is one parsed message.
type Mail struct {
	ID, MessageID, ContentID, Sender string
	Recipients                       []string // without angle brackets
	Content                          []byte   // exactly as it came
	Attempt                          int
}

// Options of the command line, and the number of messages that are left of --count.
type Options struct {
	URL, Queue         string
	Prefetch, Attempts int
	pause, timeout     time.Duration
	count, handled     int
	command            []string
	failed             map[string]int     // attempts of those that failed here: for queues whose broker counts nothing
	end                context.CancelFunc // as SIGTERM does
}

// Delivery is one message as the library gives it.
type Delivery struct {
	Body       []byte
	AMQPID     string
	Properties map[string]any
	Attempt    int
	Last       bool // a failure is not to be tried again, whatever the number of attempts
}

// Parse reads the options. The context ends with SIGTERM and SIGINT.
func Parse() (*Options, context.Context) {
	options := &Options{failed: map[string]int{}}
	url := os.Getenv("AMQP_URL")
	if url == "" {
		url = "amqp://guest:guest@127.0.0.1:5672/%2F"
	}
	flag.StringVar(&options.URL, "url", url, "broker")
	flag.StringVar(&options.Queue, "queue", "mail", "queue, or address of the source")
	flag.IntVar(&options.Prefetch, "prefetch", 1, "messages held at once, the one under way among them")
	flag.IntVar(&options.Attempts, "attempts", 5, "before a message is rejected")
	pause := flag.Float64("pause", 1, "seconds before the second attempt; doubles to 60")
	timeout := flag.Float64("timeout", 600, "seconds for the command")
	flag.IntVar(&options.count, "count", 0, "end after so many messages were done")
	flag.Parse()
	options.command = flag.Args()
	options.pause = time.Duration(*pause * float64(time.Second))
	options.timeout = time.Duration(*timeout * float64(time.Second))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	options.end = stop
	context.AfterFunc(ctx, func() { Say("stopping") })
	return options, ctx
}

func parse(d Delivery) (*Mail, error) {
	var record struct {
		MessageID, Sender, Text *string
		Recipients              []string
		Base64                  *[]byte // encoding/json decodes it
		ContentID               string
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(d.Body, &raw); err != nil {
		return nil, fmt.Errorf("%w: %v", errPoison, err)
	}
	for key, value := range map[string]any{
		"message_id": &record.MessageID, "sender": &record.Sender, "recipients": &record.Recipients,
		"email_content": &record.Text, "email_content_base64": &record.Base64, "content_id": &record.ContentID,
	} {
		if text, given := raw[key]; given {
			if err := json.Unmarshal(text, value); err != nil {
				return nil, fmt.Errorf("%w: %s: %v", errPoison, key, err)
			}
		}
	}
	if record.MessageID == nil || record.Sender == nil || record.Recipients == nil || record.Text == nil {
		return nil, fmt.Errorf("%w: a key is missing", errPoison)
	}
	m := &Mail{ID: d.AMQPID, MessageID: *record.MessageID, ContentID: record.ContentID, Sender: *record.Sender,
		Content: []byte(*record.Text), Attempt: d.Attempt}
	if record.Base64 != nil { // the exact bytes; email_content has U+FFFD where they are no UTF-8
		m.Content = *record.Base64
	}
	known := sha256.New()
	known.Write([]byte(m.Sender + "\x00"))
	for _, each := range record.Recipients {
		m.Recipients = append(m.Recipients, strings.TrimSuffix(strings.TrimPrefix(each, "<"), ">"))
		known.Write([]byte(m.Recipients[len(m.Recipients)-1] + "\x00"))
	}
	known.Write(m.Content)
	if m.ContentID == "" {
		m.ContentID = hex.EncodeToString(known.Sum(nil))
	}
	for _, key := range []string{"_AMQ_DUPL_ID", "copy_id"} {
		if id, ok := d.Properties[key].(string); ok && id != "" {
			m.ID = id
		}
	}
	if m.ID == "" {
		m.ID = m.MessageID
	}
	return m, nil
}

// Acknowledged counts a message that is done, for --count.
func (o *Options) Acknowledged() {
	if o.handled++; o.handled == o.count {
		o.end()
	}
}

// Judge does the work, which does not end with the context: a message under way is finished. It holds a failed message for the
// pause, or until the context ends.
func (o *Options) Judge(ctx context.Context, d Delivery) Verdict {
	m, err := parse(d)
	name := d.AMQPID
	if name == "" {
		name = "(no id)"
	}
	if err == nil {
		name = m.ID
		m.Attempt = max(d.Attempt, o.failed[name]+1)
		delete(o.failed, name)
		err = o.work(m)
	}
	switch {
	case err == nil:
		Say("done", name)
		return Done
	case errors.Is(err, errPoison):
		Say("rejected", name, err.Error())
		return Reject
	}
	text := fmt.Sprintf("attempt %d of %d: %v", m.Attempt, o.Attempts, err)
	if d.Last || m.Attempt >= o.Attempts {
		Say("rejected", name, text)
		return Reject
	}
	if len(o.failed) >= 1000 {
		clear(o.failed)
	}
	o.failed[name] = m.Attempt
	Say("failed", name, text)
	o.waitBeforeRetry(ctx, m.Attempt)
	return Retry
}

func (o *Options) work(m *Mail) error {
	if len(o.command) == 0 {
		fmt.Printf("%s <%s>", m.MessageID, m.Sender)
		for _, each := range m.Recipients {
			fmt.Printf(" <%s>", each)
		}
		fmt.Println("", len(m.Content))
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	command := exec.CommandContext(ctx, o.command[0], o.command[1:]...)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(m.Content), os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "MAIL_ID="+m.ID, "MAIL_MESSAGE_ID="+m.MessageID, "MAIL_CONTENT_ID="+m.ContentID,
		"MAIL_SENDER="+m.Sender, "MAIL_RECIPIENTS="+strings.Join(m.Recipients, "\n"), fmt.Sprint("MAIL_ATTEMPT=", m.Attempt))
	err := command.Run()
	if status := (*exec.ExitError)(nil); errors.As(err, &status) && status.ExitCode() == refused {
		return fmt.Errorf("%w: %s refused it", errPoison, o.command[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.command[0], err)
	}
	return nil
}

func (o *Options) waitBeforeRetry(ctx context.Context, attempt int) {
	pause := o.pause
	for ; attempt > 1 && pause < time.Minute; attempt-- {
		pause *= 2
	}
	sleep(ctx, min(pause, time.Minute))
}

func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// Say prints one line; no octet of a message reaches the terminal as a control character.
func Say(word string, rest ...string) {
	for i := range rest {
		rest[i] = rest[i][:min(len(rest[i]), 300)]
	}
	line := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.Join(rest, ": "))
	fmt.Fprintln(os.Stderr, strings.TrimSpace(word+" "+line))
}

// KeepConsuming calls consume until the context ends, again after a pause when the connection is lost.
func (o *Options) KeepConsuming(ctx context.Context, consume func(connected func()) error) {
	pause := time.Second
	connected := func() {
		pause = time.Second
		Say("connected", o.Queue)
	}
	for ctx.Err() == nil {
		if err := consume(connected); err != nil && ctx.Err() == nil {
			Say("no connection", fmt.Sprintf("%v; again in %v", err, pause))
			sleep(ctx, pause)
			pause = min(2*pause, 30*time.Second)
		}
	}
	Say("ended", o.Queue)
}
