// SPDX-License-Identifier: Apache-2.0
// Shared by both workers for Node.js: options, the message, its work, the verdict. README.md describes it.
'use strict';

const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');

const REFUSED = 65; // EX_DATAERR: the exit status of a command that will never take this mail
const stopping = new AbortController();
const failed = new Map(); // attempts of the messages that failed here, by id: for queues whose broker counts nothing

class Poison extends Error {} // the message can never be handled

function check(condition, text) {
  if (!condition) throw new Poison(`no JSON of lsmtpd: ${text}`);
}

function parse(body, properties, amqpId, attempt) {
  let json;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    check(false, error.message);
  }
  check(json !== null && typeof json === 'object', 'no object');
  for (const key of ['message_id', 'sender', 'email_content']) check(typeof json[key] === 'string', `no ${key}`);
  check(Array.isArray(json.recipients) && json.recipients.every((each) => typeof each === 'string'), 'no recipients');
  let content = Buffer.from(json.email_content);
  if ('email_content_base64' in json) { // the exact bytes; email_content has U+FFFD where they are no UTF-8
    content = Buffer.from(String(json.email_content_base64), 'base64'); // passes over what is no base64
    check(content.toString('base64') === json.email_content_base64, 'no base64');
  }
  const recipients = json.recipients.map((each) => each.replace(/^</, '').replace(/>$/, ''));
  const known = createHash('sha256').update([json.sender, ...recipients, ''].join('\0')).update(content).digest('hex');
  return {
    id: String(properties.copy_id || properties._AMQ_DUPL_ID || amqpId || json.message_id),
    messageId: json.message_id, contentId: json.content_id || known, sender: json.sender, recipients, content, json, attempt,
  };
}

// One line; no octet of a message reaches the terminal as a control character.
function say(word, ...rest) {
  const line = rest.map((each) => String(each).slice(0, 300)).join(': ');
  console.error(`${word} ${line.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')}`.trim());
  return word;
}

// Does the work and resolves to "done", "failed" (to be tried again; after the pause) or "rejected". last: a failure is not to
// be tried again.
async function judge(options, body, properties, amqpId, counted, last) {
  let name = String(amqpId || '(no id)');
  let attempt = counted;
  try {
    const mail = parse(body, properties || {}, amqpId, attempt);
    name = mail.id;
    attempt = Math.max(attempt, (failed.get(name) || 0) + 1);
    mail.attempt = attempt;
    failed.delete(name);
    await options.work(mail);
  } catch (error) {
    if (error instanceof Poison) return say('rejected', name, error.message);
    const why = `attempt ${attempt} of ${options.attempts}: ${error.message}`;
    if (last || attempt >= options.attempts) return say('rejected', name, why);
    if (failed.size >= 1000) failed.clear();
    failed.set(name, attempt);
    say('failed', name, why);
    const pause = Math.min(options.pause * 2 ** (attempt - 1), 60); // the message is held meanwhile
    await sleep(pause * 1000, undefined, { signal: stopping.signal }).catch(() => {});
    return 'failed';
  }
  return say('done', name);
}

function show(mail) {
  console.log(mail.messageId, `<${mail.sender}>`, ...mail.recipients.map((each) => `<${each}>`), mail.content.length);
}

function runCommand(argv, timeout) {
  return (mail) => new Promise((resolve, reject) => {
    const about = {
      MAIL_ID: mail.id, MAIL_MESSAGE_ID: mail.messageId, MAIL_CONTENT_ID: mail.contentId, MAIL_SENDER: mail.sender,
      MAIL_RECIPIENTS: mail.recipients.join('\n'), MAIL_ATTEMPT: String(mail.attempt),
    };
    const child = spawn(argv[0], argv.slice(1), {
      env: { ...process.env, ...about }, stdio: ['pipe', 'inherit', 'inherit'], timeout: timeout * 1000, killSignal: 'SIGKILL',
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else if (code === REFUSED) reject(new Poison(`${argv[0]} refused it`));
      else reject(new Error(`${argv[0]} ended with ${signal || code}`));
    });
    child.stdin.on('error', () => {}); // a command need not read it
    child.stdin.end(mail.content);
  });
}

function optionsOf() {
  const text = (fallback) => ({ type: 'string', default: fallback });
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: text(process.env.AMQP_URL || 'amqp://guest:guest@127.0.0.1:5672/%2F'), queue: text('mail'), prefetch: text('1'),
      attempts: text('5'), pause: text('1'), timeout: text('600'), count: text('0'),
    },
  });
  const options = { ...values, work: positionals.length ? runCommand(positionals, Number(values.timeout)) : show };
  for (const key of ['prefetch', 'attempts', 'pause', 'count']) options[key] = Number(values[key]);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => say('stopping') && stopping.abort());
  return options;
}

// consume(connected) until SIGTERM or --count, again after a pause when the connection is lost.
async function keepConsuming(options, consume) {
  let pause = 1;
  const connected = () => {
    pause = 1;
    say('connected', options.queue);
  };
  while (!stopping.signal.aborted) {
    try {
      await consume(connected);
    } catch (error) {
      say('no connection', `${error.message || error}; again in ${pause} s`);
      await sleep(pause * 1000, undefined, { signal: stopping.signal }).catch(() => {});
      pause = Math.min(2 * pause, 30);
    }
  }
  say('ended', options.queue);
}

module.exports = { judge, keepConsuming, optionsOf, stopping };
