// SPDX-License-Identifier: Apache-2.0
#include "methods.hpp"

namespace lsmtpd::amqp091 {

namespace {

constexpr unsigned kBasic = 60;

// Flags of a content header, from its highest bit (specification, 4.2.6.1).
constexpr unsigned kContentType = 1U << 15;
constexpr unsigned kContentEncoding = 1U << 14;
constexpr unsigned kHeaders = 1U << 13;
constexpr unsigned kDeliveryMode = 1U << 12;
constexpr unsigned kMessageId = 1U << 7;
constexpr unsigned kTimestamp = 1U << 6;

constexpr unsigned kPersistent = 2;

class MethodFrame {
 public:
  MethodFrame(std::string* out, std::uint16_t channel, Method method)
      : frame_(out, FrameType::method, channel) {
    frame_.payload().u32(static_cast<std::uint32_t>(method));
  }
  Writer& arguments() { return frame_.payload(); }

 private:
  FrameWriter frame_;
};

}  // namespace

Method read_method(Reader* payload) {
  return static_cast<Method>(payload->u32());
}

Start read_start(Reader payload) {
  payload.u16();  // version 0-9
  Start start;
  start.server = payload.table();
  start.mechanisms = std::string(payload.long_string());
  return start;
}

Tune read_tune(Reader payload) {
  Tune tune;
  tune.channel_max = payload.u16();
  tune.frame_max = payload.u32();
  tune.heartbeat = payload.u16();
  return tune;
}

std::string Closing::printed() const {
  return std::to_string(code) + (text.empty() ? "" : " ") + text;
}

Closing read_closing(Reader payload) {
  Closing closing;
  closing.code = payload.u16();
  closing.text = std::string(payload.short_string());
  return closing;
}

Confirm read_confirm(Reader payload) {
  Confirm confirm;
  confirm.tag = payload.u64();
  confirm.multiple = (payload.octet() & 1U) != 0;
  return confirm;
}

Returned read_returned(Reader payload) {
  Returned returned;
  returned.code = payload.u16();
  returned.text = std::string(payload.short_string());
  returned.exchange = std::string(payload.short_string());
  returned.routing_key = std::string(payload.short_string());
  return returned;
}

Fields read_headers(Reader payload) {
  payload.u16();  // class
  payload.u16();  // weight
  payload.u64();  // size
  const unsigned flags = payload.u16();
  if ((flags & kContentType) != 0) payload.short_string();
  if ((flags & kContentEncoding) != 0) payload.short_string();
  return (flags & kHeaders) != 0 ? payload.table() : Fields{};
}

void put_protocol_header(std::string* out) {
  out->append("AMQP\0\0\x09\x01", 8);
}

void put_start_ok(std::string* out, const Table& client, std::string_view mechanism,
                  std::string_view response) {
  MethodFrame frame(out, 0, Method::connection_start_ok);
  client.write(frame.arguments());
  frame.arguments().short_string(mechanism);
  frame.arguments().long_string(response);
  frame.arguments().short_string("en_US");
}

void put_tune_ok(std::string* out, const Tune& tune) {
  MethodFrame frame(out, 0, Method::connection_tune_ok);
  frame.arguments().u16(tune.channel_max);
  frame.arguments().u32(tune.frame_max);
  frame.arguments().u16(tune.heartbeat);
}

void put_open(std::string* out, std::string_view vhost) {
  MethodFrame frame(out, 0, Method::connection_open);
  frame.arguments().short_string(vhost);
  frame.arguments().short_string({});
  frame.arguments().octet(0);
}

void put_close(std::string* out, std::uint16_t channel, std::string_view text) {
  MethodFrame frame(out, channel, channel == 0 ? Method::connection_close : Method::channel_close);
  frame.arguments().u16(200);
  frame.arguments().short_string(text);
  frame.arguments().u32(0);  // no method caused it
}

void put_channel_open(std::string* out, std::uint16_t channel) {
  MethodFrame(out, channel, Method::channel_open).arguments().short_string({});
}

void put_flow_ok(std::string* out, std::uint16_t channel, bool active) {
  MethodFrame(out, channel, Method::channel_flow_ok).arguments().octet(active ? 1 : 0);
}

void put_exchange_passive(std::string* out, std::uint16_t channel, std::string_view exchange) {
  MethodFrame frame(out, channel, Method::exchange_declare);
  frame.arguments().u16(0);
  frame.arguments().short_string(exchange);
  frame.arguments().short_string("direct");  // not looked at
  frame.arguments().octet(1);                // passive
  Table().write(frame.arguments());
}

void put_queue_declare(std::string* out, std::uint16_t channel, std::string_view queue,
                       std::string_view type) {
  MethodFrame frame(out, channel, Method::queue_declare);
  frame.arguments().u16(0);
  frame.arguments().short_string(queue);
  frame.arguments().octet(type.empty() ? 1 : 2);  // passive, or durable
  Table arguments;
  if (!type.empty()) arguments.text("x-queue-type", type);
  arguments.write(frame.arguments());
}

void put_confirm_select(std::string* out, std::uint16_t channel) {
  MethodFrame(out, channel, Method::confirm_select).arguments().octet(0);
}

void put_publish(std::string* out, std::uint16_t channel, std::string_view exchange,
                 std::string_view routing_key) {
  MethodFrame frame(out, channel, Method::basic_publish);
  frame.arguments().u16(0);
  frame.arguments().short_string(exchange);
  frame.arguments().short_string(routing_key);
  frame.arguments().octet(1);  // mandatory
}

void put_plain(std::string* out, std::uint16_t channel, Method method) {
  const MethodFrame frame(out, channel, method);
}

void put_heartbeat(std::string* out) {
  const FrameWriter frame(out, FrameType::heartbeat, 0);
}

void put_content_header(std::string* out, std::uint16_t channel, std::uint64_t size,
                        const Properties& properties) {
  FrameWriter frame(out, FrameType::header, channel);
  Writer& payload = frame.payload();
  payload.u16(kBasic);
  payload.u16(0);
  payload.u64(size);
  payload.u16(kContentType | kHeaders | kDeliveryMode | kMessageId | kTimestamp);
  payload.short_string(properties.content_type);
  properties.headers->write(payload);
  payload.octet(kPersistent);
  payload.short_string(properties.message_id);
  payload.u64(properties.timestamp);
}

}  // namespace lsmtpd::amqp091
