#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The same worker for Node.js with amqplib (npm install in this folder):
//   node worker_amqplib.js [url] [queue] [count]
// For each message it prints one line: id, sender, recipients, bytes of content.
'use strict';

const amqplib = require('amqplib');

// The exact bytes. Old workers read email_content alone; it has U+FFFD where bytes are no UTF-8.
function content(mail) {
  return 'email_content_base64' in mail ? Buffer.from(mail.email_content_base64, 'base64')
                                        : Buffer.from(mail.email_content);
}

async function main() {
  const [url = 'amqp://guest:guest@127.0.0.1:5672/%2F', queue = 'mail', count = '0'] = process.argv.slice(2);
  let left = Number(count);
  const connection = await amqplib.connect(url);
  const channel = await connection.createChannel();
  await channel.prefetch(20);
  const handled = new Promise((resolve) => {
    channel.consume(queue, (message) => {
      if (message === null || (Number(count) > 0 && left === 0)) return;
      const mail = JSON.parse(message.content);
      console.log(mail.message_id, `<${mail.sender}>`, ...mail.recipients, content(mail).length);
      channel.ack(message);
      left -= 1;
      if (left === 0) resolve();
    });
  });
  await handled;
  await channel.close();
  await connection.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
