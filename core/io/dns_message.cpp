// SPDX-License-Identifier: Apache-2.0
#include "io/dns_message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace lsmtpd::io {

namespace {

constexpr size_t kMostAliases = 16;
constexpr size_t kLongestName = 255;  // on the wire, with the root's octet
constexpr size_t kLongestLabel = 63;
constexpr uint32_t kInternet = 1;  // class IN

// Reads forward; after a read beyond the end everything it returns is 0 and ok() is false.
class Reader {
 public:
  Reader(std::string_view message, size_t at) : message_(message), at_(at) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  uint32_t number(size_t octets) {
    if (!has(octets)) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < octets; ++i) value = value << 8 | octet(at_ + i);
    at_ += octets;
    return value;
  }
  std::string_view octets(size_t count) {
    if (!has(count)) return {};
    at_ += count;
    return message_.substr(at_ - count, count);
  }
  // RFC 1035 4.1.4. Each pointer must lead before the labels that it ends, so there is no loop.
  std::string name() {
    std::string text;
    size_t from = at_, first = at_, wire = 1;
    bool jumped = false;
    while (ok_ && from < message_.size()) {
      const uint32_t length = octet(from);
      if ((length & 0xc0) == 0xc0) {
        if (from + 1 >= message_.size()) break;
        if (!jumped) at_ = from + 2;
        jumped = true;
        from = (length & 0x3f) << 8 | octet(from + 1);
        if (from >= first) break;
        first = from;
        continue;
      }
      if (length > kLongestLabel || from + 1 + length > message_.size()) break;
      wire += length + 1;
      if (wire > kLongestName) break;
      if (length == 0) {
        if (!jumped) at_ = from + 1;
        return text;
      }
      if (!text.empty()) text += '.';
      append_label(text, message_.substr(from + 1, length));
      from += length + 1;
    }
    ok_ = false;
    return {};
  }

 private:
  uint32_t octet(size_t at) const { return static_cast<unsigned char>(message_[at]); }
  bool has(size_t octets) {
    if (octets > message_.size() - std::min(at_, message_.size())) ok_ = false;
    return ok_;
  }
  // RFC 4343 2.1: what could be taken for something else is escaped.
  static void append_label(std::string& text, std::string_view label) {
    for (const char c : label) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '.' || c == '\\') {
        text += '\\';
        text += c;
      } else if (byte <= 0x20 || byte >= 0x7f) {
        text += fmt::format("\\{:03}", byte);
      } else {
        text += c;
      }
    }
  }

  std::string_view message_;
  size_t at_;
  bool ok_ = true;
};

struct Record {
  std::string owner;
  uint32_t type = 0, type_class = 0, ttl = 0;
  size_t at = 0;  // of its data
  std::string_view data;
};

std::optional<Record> read_record(Reader& reader) {
  Record record;
  record.owner = reader.name();
  record.type = reader.number(2);
  record.type_class = reader.number(2);
  record.ttl = reader.number(4);
  if (record.ttl >> 31) record.ttl = 0;  // RFC 2181 8
  const uint32_t length = reader.number(2);
  record.at = reader.at();
  record.data = reader.octets(length);
  if (!reader.ok()) return std::nullopt;
  return record;
}

bool read_texts(std::string_view data, std::string& all) {
  while (!data.empty()) {
    const size_t length = static_cast<unsigned char>(data[0]);
    if (length >= data.size()) return false;
    all += data.substr(1, length);
    data.remove_prefix(length + 1);
  }
  return true;
}

// The name in a record's data, `skip` octets into it, which must end with the data.
bool read_name(std::string_view message, const Record& record, size_t skip, std::string& name) {
  Reader reader(message, record.at + skip);
  name = reader.name();
  return reader.ok() && reader.at() == record.at + record.data.size();
}

bool read_data(std::string_view message, const Record& record, DnsType type, DnsRecord& out) {
  out.ttl = record.ttl;
  switch (type) {
    case DnsType::a:
    case DnsType::aaaa:
      out.data = record.data;
      return out.data.size() == (type == DnsType::a ? 4u : 16u);
    case DnsType::txt:
      return read_texts(record.data, out.data);
    case DnsType::mx: {
      Reader reader(message, record.at);
      out.preference = static_cast<uint16_t>(reader.number(2));
      return reader.ok() && read_name(message, record, 2, out.data);
    }
    default:
      return read_name(message, record, 0, out.data);
  }
}

// How long "there is none" holds: the SOA's own TTL, but not above its last field.
bool negative_ttl(std::string_view message, const Record& soa, uint32_t& ttl) {
  Reader reader(message, soa.at);
  reader.name();
  reader.name();
  for (int i = 0; i < 4; ++i) reader.number(4);
  const uint32_t minimum = reader.number(4);
  if (!reader.ok()) return false;
  ttl = std::min(soa.ttl, minimum >> 31 ? 0 : minimum);
  return true;
}

// The owner that records must have: `name`, or the end of its chain of aliases. `ttl` becomes the
// least of the chain.
std::optional<std::string> follow_aliases(std::string_view message,
                                          const std::vector<Record>& records, std::string name,
                                          uint32_t& ttl) {
  for (size_t hops = 0; hops < kMostAliases; ++hops) {
    const auto alias = std::find_if(records.begin(), records.end(), [&](const Record& r) {
      return r.type == static_cast<uint32_t>(DnsType::cname) && r.type_class == kInternet &&
             equals_ignoring_case(r.owner, name);
    });
    if (alias == records.end()) return name;
    if (!read_name(message, *alias, 0, name)) return std::nullopt;
    ttl = std::min(ttl, alias->ttl);
  }
  return std::nullopt;
}

constexpr uint32_t kLongestTtl = 7u * 24 * 3600;

}  // namespace

bool is_domain_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kLongestName - 2) return false;
  size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '/' || c == '*';
    if (!fits || ++label > kLongestLabel) return false;
  }
  return label > 0;
}

Result<DnsAnswer> parse_dns_answer(std::string_view message, std::string_view name, DnsType type) {
  const auto malformed = [] { return fail("malformed answer"); };
  if (name.ends_with('.')) name.remove_suffix(1);
  Reader reader(message, 2);
  const uint32_t flags = reader.number(2);
  uint32_t counts[4];
  for (uint32_t& count : counts) count = reader.number(2);
  if (!reader.ok() || (flags & 0x8000) == 0) return malformed();
  for (uint32_t i = 0; i < counts[0] && reader.ok(); ++i) {
    reader.name();
    reader.number(4);
  }
  std::vector<Record> records;
  for (uint32_t i = 0; i < counts[1]; ++i) {
    auto record = read_record(reader);
    if (!record) return malformed();
    records.push_back(std::move(*record));
  }
  DnsAnswer answer;
  answer.status = DnsAnswer::Status::answered;
  answer.rcode = flags & 0xf;
  answer.ttl = kLongestTtl;
  const auto owner = follow_aliases(message, records, std::string(name), answer.ttl);
  if (!owner) return malformed();
  for (const Record& record : records) {
    if (record.type != static_cast<uint32_t>(type) || record.type_class != kInternet) continue;
    if (!equals_ignoring_case(record.owner, *owner)) continue;
    auto& out = answer.records.emplace_back();
    if (!read_data(message, record, type, out)) return malformed();
    answer.ttl = std::min(answer.ttl, out.ttl);
  }
  if (!answer.records.empty()) return answer;
  uint32_t none = 0;
  for (uint32_t i = 0; i < counts[2]; ++i) {
    const auto record = read_record(reader);
    if (!record) return malformed();
    if (record->type == static_cast<uint32_t>(DnsType::soa) &&
        !negative_ttl(message, *record, none)) {
      return malformed();
    }
  }
  answer.ttl = std::min(answer.ttl, none);
  return answer;
}

}  // namespace lsmtpd::io
