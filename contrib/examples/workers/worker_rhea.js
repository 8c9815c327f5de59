#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A worker on AMQP 1.0 with rhea. --queue is the address of the source: /queues/mail on RabbitMQ 4.
'use strict';

const { setImmediate: nextTurn } = require('node:timers/promises');

const rhea = require('rhea');
const { judge, keepConsuming, optionsOf, stopping } = require('./mail.js');

const options = optionsOf();
let handled = 0;

// rhea's body of data sections: one Buffer, or an array of them; text where the sender used another section.
function bytesOf(body) {
  const content = body?.content ?? body;
  return Array.isArray(content) ? Buffer.concat(content) : Buffer.from(content ?? '');
}

// Does the work; resolves to what settles the delivery.
async function handle(message, delivery) {
  const attempt = (message.delivery_count || 0) + 1;
  const verdict = await judge(options, bytesOf(message.body), message.application_properties, message.message_id, attempt, false);
  if (verdict === 'done') {
    return () => {
      delivery.accept();
      handled += 1;
      if (handled === options.count) stopping.abort();
    };
  }
  if (verdict === 'rejected') return () => delivery.reject();
  return () => delivery.modified({ delivery_failed: true, undeliverable_here: false });
}

// A connection of its own for each try: after rhea's own reconnect, settling a delivery of before has no effect and no error.
async function consume(connected) {
  const url = new URL(options.url);
  const connection = rhea.create_container().connect({
    host: url.hostname, port: url.port || (url.protocol === 'amqps:' ? 5671 : 5672),
    transport: url.protocol === 'amqps:' ? 'tls' : 'tcp', username: decodeURIComponent(url.username) || 'anonymous',
    password: decodeURIComponent(url.password) || undefined, reconnect: false, idle_time_out: 30000,
  });
  let lost = null;
  let under = Promise.resolve(); // one message after the other; the credit bounds those that wait
  let onStop = null;
  try {
    await new Promise((resolve, reject) => {
      const fail = (error) => {
        lost ??= error || new Error('disconnected');
        reject(lost);
      };
      for (const event of ['connection_error', 'session_error', 'receiver_error']) {
        connection.on(event, (context) => fail(context[event.replace('_error', '')].error));
      }
      connection.on('disconnected', (context) => fail(context.error));
      connection.on('connection_close', () => fail());
      const receiver = connection.open_receiver({
        source: { address: options.queue, capabilities: ['queue'] }, credit_window: 0, autoaccept: false,
      });
      receiver.on('receiver_open', () => {
        connected();
        // rhea 3.0.5 counts from 0 whatever the broker's attach says, and RabbitMQ 4 would send six messages for one credit.
        receiver.delivery_count = receiver.remote.attach.initial_delivery_count || 0;
        receiver.add_credit(options.prefetch);
      });
      receiver.on('message', ({ message, delivery }) => {
        receiver.delivery_count %= 2 ** 32;
        under = under.then(async () => {
          if (lost) return;
          if (stopping.signal.aborted) {
            delivery.release();
            await nextTurn();
            return;
          }
          const settle = await handle(message, delivery);
          if (lost) return; // the broker gives it out again
          settle();
          await nextTurn(); // of two outcomes in one turn rhea 3.0.5 sends the first for both deliveries
          if (!stopping.signal.aborted) receiver.add_credit(1);
        }).catch(fail);
      });
      receiver.on('receiver_close', () => (stopping.signal.aborted ? resolve() : fail(receiver.error)));
      onStop = () => under.then(() => receiver.close());
      if (stopping.signal.aborted) onStop();
      else stopping.signal.addEventListener('abort', onStop);
    });
  } finally {
    stopping.signal.removeEventListener('abort', onStop);
    await under;
    connection.close();
  }
}

keepConsuming(options, consume);
