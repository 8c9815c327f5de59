#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A worker on AMQP 0-9-1 (RabbitMQ) with amqplib.
'use strict';

const amqplib = require('amqplib');
const { judge, keepConsuming, optionsOf, stopping } = require('./mail.js');

const options = optionsOf();
let handled = 0;

// Quorum queues count; classic ones say no more than "again".
function attemptOf(message) {
  const count = message.properties.headers?.['x-delivery-count'];
  if (count !== undefined) return [count + 1, false];
  return [message.fields.redelivered ? 2 : 1, message.fields.redelivered];
}

async function handle(channel, message) {
  const { headers, messageId } = message.properties;
  const [attempt, last] = attemptOf(message);
  const verdict = await judge(options, message.content, headers, messageId, attempt, last);
  if (verdict === 'done') {
    channel.ack(message);
    handled += 1;
    if (handled === options.count) stopping.abort();
  } else if (verdict === 'failed') {
    channel.nack(message, false, true);
  } else {
    channel.reject(message, false);
  }
}

async function consume(connected) {
  const connection = await amqplib.connect(options.url, { timeout: 10000 });
  let lost = null;
  let under = Promise.resolve(); // one message after the other; the prefetch bounds those that wait
  let onStop = null;
  try {
    await new Promise((resolve, reject) => {
      const fail = (error) => {
        lost ??= error || new Error('closed');
        reject(lost);
      };
      connection.on('error', fail).on('close', fail);
      const begin = async () => {
        const channel = await connection.createChannel();
        channel.on('error', fail);
        await channel.prefetch(options.prefetch);
        const { consumerTag } = await channel.consume(options.queue, (message) => {
          if (message === null) fail(new Error('the broker ended the subscription'));
          else under = under.then(() => (lost || stopping.signal.aborted ? null : handle(channel, message))).catch(fail);
        });
        connected();
        const end = async () => {
          await channel.cancel(consumerTag);
          await under;
          await channel.close(); // gives back the messages that were prefetched
          resolve();
        };
        onStop = () => end().catch(fail);
        if (stopping.signal.aborted) onStop();
        else stopping.signal.addEventListener('abort', onStop);
      };
      begin().catch(fail);
    });
  } finally {
    stopping.signal.removeEventListener('abort', onStop);
    await under;
    await connection.close().catch(() => {});
  }
}

keepConsuming(options, consume);
