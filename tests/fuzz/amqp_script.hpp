// SPDX-License-Identifier: Apache-2.0
// The fuzzer's bytes as what a broker does: each octet chooses a step, those behind it its fields.
// Raw bytes seldom pass the framing; frames that are nearly right reach what lies behind it.
// No expression reads the input twice, but in braces: operands and arguments have no order, and
// what clang's harness found has to play the same in GCC's replay.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "amqp_ledger.hpp"

namespace lsmtpd::fuzz {

class Octets {
 public:
  explicit Octets(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  uint8_t octet() {
    if (text_.empty()) return 0;
    const auto out = static_cast<uint8_t>(text_[0]);
    text_.remove_prefix(1);
    return out;
  }
  std::string_view bytes(size_t size) {
    const std::string_view out = text_.substr(0, size);
    text_.remove_prefix(out.size());
    return out;
  }
  // One octet: small numbers as they are, then those at the edges.
  uint64_t number() {
    static constexpr uint64_t kEdges[] = {0xff,       0x100,      0x7fff,     0x8000,
                                          0xffff,     0x7fffffff, 0x80000000, 0xffffffff,
                                          0xfffffffe, UINT64_MAX, INT64_MAX,  1U << 20};
    const uint8_t choice = octet();
    return choice < 0xf0 ? choice : kEdges[choice % std::size(kEdges)];
  }
  template <size_t N>
  std::string_view word(const std::array<std::string_view, N>& words) {
    return words[octet() % N];
  }

 private:
  std::string_view text_;
};

class AmqpScript {
 public:
  explicit AmqpScript(Octets& from) : from_(from) {}

  // Everything up to Open, as brokers say it.
  std::string greeting() {
    std::string out(wire::kSaslHeader);
    out += sasl();
    out += wire::kHeader;
    return out += open();
  }
  std::string sasl() {
    using namespace wire;
    const std::string names = "\xf0" + big_endian(15, 4) + big_endian(1, 4) + '\xb3' +
                              big_endian(6, 4) + (from_.octet() % 4 != 0 ? "ANONYM" : "PLAIN ");
    const std::string mechanism = symbol(from_.octet() % 4 == 0 ? "PLAIN" : "ANONYMOUS");
    std::string out = performative(1, 0, kMechanisms, {from_.octet() % 8 == 0 ? names : mechanism});
    return out += performative(1, 0, kOutcome, {ubyte(from_.octet() % 8 == 7 ? 1 : 0)});
  }
  std::string open() {
    using namespace wire;
    const std::string product(
        from_.word<5>({"RabbitMQ", "apache-activemq-artemis", "qpid", "Scripted", "rabbitmq"}));
    const std::string version(from_.word<3>({"4.0.5", "3.10.8", ""}));
    const std::string properties =
        map({symbol("product"), string(product), symbol("version"), string(version)});
    return performative(0, 0, kOpen,
                        {string("broker"), null, uint(from_.octet() % 4 == 1 ? 512 : 65536),
                         ushort(from_.octet() % 4 == 1 ? 0 : 2047),
                         uint(from_.octet() % 4 == 1 ? from_.number() * 100 : 0), null, null, null,
                         null, properties});
  }
  // The answer to a link of the plugin: begin, attach, credit.
  std::string welcome(const AmqpLedger::Attach& link, size_t channel) {
    const auto own = static_cast<uint16_t>(channel);
    std::string out = begin(own, link.channel);
    out += attach(own, link);
    return out += flow(own, link.handle);
  }
  std::string begin(uint16_t channel, uint16_t remote) {
    using namespace wire;
    const uint64_t window = from_.octet() % 4 == 1 ? from_.number() : 2048;
    return performative(0, channel, kBegin,
                        {ushort(remote), uint(0), uint(window), uint(2048), uint(255)});
  }
  std::string attach(uint16_t channel, const AmqpLedger::Attach& link) {
    using namespace wire;
    const uint8_t odd = from_.octet();
    const std::string target =
        described(0x29, list({string("mail"), uint(1), null, null, null, null, null}));
    const std::string source = described(0x28, list({null}));
    return performative(
        0, channel, kAttach,
        {string(link.name), uint(link.handle), boolean(odd % 8 != 1), ubyte(odd % 8 == 2 ? 0 : 2),
         ubyte(odd % 8 == 3 ? 1 : 0), source, odd % 8 == 4 ? null : target, null, null, null,
         ulong(odd % 8 == 5 ? from_.number() : 0)});
  }
  std::string flow(uint16_t channel, uint64_t handle) {
    using namespace wire;
    const uint64_t window = from_.octet() % 4 == 1 ? from_.number() : 2048;
    const uint64_t credit = from_.octet() % 4 == 1 ? from_.number() : 100;
    const uint64_t count = from_.octet() % 4 == 1 ? from_.number() : 0;
    return performative(0, channel, kFlow,
                        {uint(0), uint(window), uint(0), uint(2048), uint(handle), uint(count),
                         uint(credit), null, boolean(false)});
  }
  std::string disposition(uint16_t channel, uint64_t next) {
    using namespace wire;
    const uint64_t first = from_.octet() % 4 == 1 ? from_.number() : next - from_.octet() % 8;
    const uint64_t last = from_.octet() % 4 == 1 ? from_.number() : first + from_.octet() % 8;
    return performative(0, channel, kDisposition,
                        {boolean(from_.octet() % 8 != 1), uint(first), uint(last),
                         boolean(from_.octet() % 4 != 1), state()});
  }
  std::string state() {
    using namespace wire;
    const std::string why = described(
        0x1d, list({symbol(from_.word<4>({"amqp:not-found", "amqp:internal-error",
                                          "amqp:resource-limit-exceeded", "x\r\n250 ok"})),
                    string("because")}));
    switch (from_.octet() % 8) {
      case 1:
        return described(0x25, list({why}));
      case 2:
        return described(0x26, list({}));
      case 3:
        return described(0x27, list({boolean(true), boolean(true)}));
      case 4:
        return described(0x23, list({uint(0), ulong(from_.number())}));
      case 5:
        return null;
      case 6:
        return described(0x34, list({string("txn"), described(kAccepted, list({}))}));
      default:
        return described(kAccepted, list({}));
    }
  }
  std::string detach(uint16_t channel, uint64_t handle) {
    using namespace wire;
    return performative(0, channel, kDetach,
                        {uint(handle), boolean(from_.octet() % 4 != 1), error()});
  }
  std::string end(uint16_t channel) { return performative(0, channel, wire::kEnd, {error()}); }
  std::string close() { return performative(0, 0, wire::kClose, {error()}); }
  std::string transfer(uint16_t channel, uint64_t handle) {
    using namespace wire;
    const uint8_t odd = from_.octet();
    return performative(0, channel, kTransfer,
                        {uint(handle), uint(from_.octet()), "\xa0\x01t", uint(0),
                         boolean(odd % 2 != 0), boolean(odd % 4 != 0)},
                        std::string(size_t{odd} * 16, 'p'));
  }
  // A frame of any kind with any fields.
  std::string odd_frame() {
    std::vector<std::string> fields(from_.octet() % 12);
    const uint8_t code = from_.octet();
    for (std::string& field : fields) field = odd_value(0);
    const uint8_t type = from_.octet() % 2;
    return performative(type, from_.octet(), code, fields);
  }

 private:
  // With a look at one octet that says how wrong it is: usually not.
  std::string performative(uint8_t type, uint16_t channel, uint8_t code,
                           std::vector<std::string> fields, const std::string& payload = {}) {
    const uint8_t odd = from_.octet();
    for (int i = odd >= 0xe0 ? odd % 4 + 1 : 0; i > 0; --i) {
      const size_t which = from_.octet() % (fields.size() + 2);
      if (which < fields.size()) {
        fields[which] = odd_value(0);
      } else if (which == fields.size()) {
        fields.resize(from_.octet() % (fields.size() + 1));
      } else {
        channel = static_cast<uint16_t>(from_.number());
      }
    }
    std::string out =
        wire::frame(type, channel, wire::described(code, wire::list(fields)) + payload);
    if (odd == 0xd0) out[4] = static_cast<char>(from_.octet());
    if (odd == 0xd1) out.replace(0, 4, wire::big_endian(from_.number(), 4));
    if (odd == 0xd2) out.resize(from_.octet() % out.size());
    return out;
  }
  std::string error() {
    using namespace wire;
    if (from_.octet() % 2 == 0) return null;
    return described(0x1d, list({symbol(from_.word<3>({"amqp:not-found", "amqp:link:redirect",
                                                       "amqp:connection:forced"})),
                                 string(from_.bytes(from_.octet() % 32))}));
  }
  std::string odd_value(int depth) {
    using namespace wire;
    std::string array = "\xf0";
    uint8_t descriptor = 0;
    switch (from_.octet() % 16) {
      case 0:
        return null;
      case 1:
        return boolean(from_.octet() % 2 != 0);
      case 2:
        return ubyte(from_.octet());
      case 3:
        return ushort(from_.number());
      case 4:
        return uint(from_.number());
      case 5:
        return ulong(from_.number());
      case 6:
        return string(from_.bytes(from_.octet()));
      case 7:
        return symbol(from_.bytes(from_.octet() % 32));
      case 8:
        return text('\xb0', from_.bytes(from_.octet()));
      case 9:
        return "\x45";
      case 10:
        return "\x43";
      case 11:
        return "\x71" + big_endian(from_.number(), 4);
      case 12:
        array += big_endian(from_.number(), 4);
        array += big_endian(from_.number(), 4);
        return array += '\x71';
      case 13:
        return std::string(from_.bytes(from_.octet() % 16));
      case 14:
        if (depth >= 4) return null;
        descriptor = from_.octet();
        return described(descriptor, odd_value(depth + 1));
      default: {
        std::vector<std::string> items(depth < 4 ? from_.octet() % 4 : 0);
        for (std::string& item : items) item = odd_value(depth + 1);
        return from_.octet() % 2 != 0 ? map(items) : list(items);
      }
    }
  }

  Octets& from_;
};

}  // namespace lsmtpd::fuzz
