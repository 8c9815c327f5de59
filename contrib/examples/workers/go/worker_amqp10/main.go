// SPDX-License-Identifier: Apache-2.0

// A worker on AMQP 1.0 with go-amqp. --queue is the address of the source: /queues/mail on RabbitMQ 4.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/go-amqp"

	"example.org/lsmtpd-workers/mail"
)

const patience = 10 * time.Second // for the broker's answer to an open, an attach or a close

func delivery(m *amqp.Message) mail.Delivery {
	d := mail.Delivery{Properties: m.ApplicationProperties, Attempt: 1}
	for _, section := range m.Data {
		d.Body = append(d.Body, section...)
	}
	if m.Header != nil {
		d.Attempt = int(m.Header.DeliveryCount) + 1
	}
	if m.Properties != nil && m.Properties.MessageID != nil {
		d.AMQPID = fmt.Sprint(m.Properties.MessageID)
	}
	return d
}

func handle(ctx context.Context, options *mail.Options, receiver *amqp.Receiver, m *amqp.Message) error {
	verdict := options.Judge(ctx, delivery(m))
	settle, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch verdict {
	case mail.Done:
		if err := receiver.AcceptMessage(settle, m); err != nil {
			return err
		}
		options.Acknowledged()
		return nil
	case mail.Retry:
		return receiver.ModifyMessage(settle, m, &amqp.ModifyMessageOptions{DeliveryFailed: true})
	}
	return receiver.RejectMessage(settle, m, nil)
}

func consume(ctx context.Context, options *mail.Options, connected func()) error {
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := amqp.Dial(opening, options.URL, nil)
	if err != nil {
		return err
	}
	defer connection.Close()
	session, err := connection.NewSession(opening, nil)
	if err != nil {
		return err
	}
	receiver, err := session.NewReceiver(opening, options.Queue, &amqp.ReceiverOptions{
		Credit: int32(options.Prefetch), SourceCapabilities: []string{"queue"}})
	if err != nil {
		return err
	}
	defer func() { // link, session, connection: so the broker has read the last outcome
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		receiver.Close(closing)
		session.Close(closing)
	}()
	connected()
	for ctx.Err() == nil {
		m, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if err := handle(ctx, options, receiver, m); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	options, ctx := mail.Parse()
	options.KeepConsuming(ctx, func(connected func()) error { return consume(ctx, options, connected) })
}
