// SPDX-License-Identifier: Apache-2.0
// The methods of AMQP 0-9-1 that a publisher sends and reads (specification, 1.1 to 1.8; RabbitMQ's
// extensions: confirm.select, basic.nack, connection.blocked). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire.hpp"

namespace lsmtpd::amqp091 {

// Class number << 16 | method number.
enum class Method : std::uint32_t {
  connection_start = 10 << 16 | 10,
  connection_start_ok = 10 << 16 | 11,
  connection_secure = 10 << 16 | 20,
  connection_tune = 10 << 16 | 30,
  connection_tune_ok = 10 << 16 | 31,
  connection_open = 10 << 16 | 40,
  connection_open_ok = 10 << 16 | 41,
  connection_close = 10 << 16 | 50,
  connection_close_ok = 10 << 16 | 51,
  connection_blocked = 10 << 16 | 60,
  connection_unblocked = 10 << 16 | 61,
  channel_open = 20 << 16 | 10,
  channel_open_ok = 20 << 16 | 11,
  channel_flow = 20 << 16 | 20,
  channel_flow_ok = 20 << 16 | 21,
  channel_close = 20 << 16 | 40,
  channel_close_ok = 20 << 16 | 41,
  exchange_declare = 40 << 16 | 10,
  exchange_declare_ok = 40 << 16 | 11,
  queue_declare = 50 << 16 | 10,
  queue_declare_ok = 50 << 16 | 11,
  basic_publish = 60 << 16 | 40,
  basic_return = 60 << 16 | 50,
  basic_ack = 60 << 16 | 80,
  basic_nack = 60 << 16 | 120,
  confirm_select = 85 << 16 | 10,
  confirm_select_ok = 85 << 16 | 11,
};

// The method of a payload, which is left behind its number.
Method read_method(Reader* payload);

// connection.start
struct Start {
  Fields server;           // its properties
  std::string mechanisms;  // separated by spaces
};
Start read_start(Reader payload);

struct Tune {
  std::uint16_t channel_max = 0;  // 0: no limit
  std::uint32_t frame_max = 0;    // 0: no limit
  std::uint16_t heartbeat = 0;    // seconds; 0: none
};
Tune read_tune(Reader payload);

// connection.close and channel.close
struct Closing {
  std::uint16_t code = 0;
  std::string text;
  std::string printed() const;  // "404 NOT_FOUND - no exchange ..."
};
Closing read_closing(Reader payload);

struct Confirm {
  std::uint64_t tag = 0;
  bool multiple = false;
};
Confirm read_confirm(Reader payload);

// basic.return
struct Returned {
  std::uint16_t code = 0;
  std::string text;
  std::string exchange;
  std::string routing_key;
};
Returned read_returned(Reader payload);

// The table `headers` of a content header, for a returned message.
Fields read_headers(Reader payload);

// Frames to send, appended to `out`.
void put_protocol_header(std::string* out);
void put_start_ok(std::string* out, const Table& client, std::string_view mechanism,
                  std::string_view response);
void put_tune_ok(std::string* out, const Tune& tune);
void put_open(std::string* out, std::string_view vhost);
void put_close(std::string* out, std::uint16_t channel, std::string_view text);
void put_channel_open(std::string* out, std::uint16_t channel);
void put_flow_ok(std::string* out, std::uint16_t channel, bool active);
void put_exchange_passive(std::string* out, std::uint16_t channel, std::string_view exchange);
// `type` is "quorum", "classic", or empty for a look at what exists.
void put_queue_declare(std::string* out, std::uint16_t channel, std::string_view queue,
                       std::string_view type);
void put_confirm_select(std::string* out, std::uint16_t channel);
// mandatory: what no queue takes is returned.
void put_publish(std::string* out, std::uint16_t channel, std::string_view exchange,
                 std::string_view routing_key);
// A method without arguments.
void put_plain(std::string* out, std::uint16_t channel, Method method);
void put_heartbeat(std::string* out);

struct Properties {
  std::string_view content_type;
  const Table* headers = nullptr;
  std::string_view message_id;  // at most 255 octets
  std::uint64_t timestamp = 0;  // seconds since 1970
};
// Persistent (delivery-mode 2).
void put_content_header(std::string* out, std::uint16_t channel, std::uint64_t size,
                        const Properties& properties);

}  // namespace lsmtpd::amqp091
