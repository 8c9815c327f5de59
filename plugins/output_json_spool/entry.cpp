// SPDX-License-Identifier: Apache-2.0
#include "entry.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>

#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

using mail_json::format_timestamp;

void field(std::string& out, const char* name, std::string_view value) {
  if (value.empty()) return;
  out += name;
  out += ": ";
  out += terminal_text(value);
  out += '\n';
}

}  // namespace

std::string entry_line(const Entry& entry, bool with_subject) {
  std::string line = entry.id + "  " + name_of(entry.state);
  if (!entry.problem.empty()) {
    return line + "  " + std::to_string(entry.size) +
           "  cannot be read: " + terminal_text(entry.problem) + "\n";
  }
  const mail_json::StoredMail& mail = entry.mail;
  line += "  " + format_timestamp(entry.first_ns).substr(0, 19) + "Z";
  line += "  " + std::to_string(entry.size);
  line += "  <" + terminal_text(mail.sender) + "> -> <";
  line += terminal_text(mail.recipients[0].address) + ">";
  if (mail.recipients.size() > 1) line += " +" + std::to_string(mail.recipients.size() - 1);
  if (!mail.bookkeeping.target.empty()) {
    line += "  for " + terminal_text(mail.bookkeeping.target);
  }
  if (entry.attempts > 0) line += "  attempts " + std::to_string(entry.attempts);
  if (!entry.reason.empty()) line += "  " + terminal_text(entry.reason);
  if (!entry.message_id.empty()) line += "  Message-ID: " + terminal_text(entry.message_id);
  if (with_subject) line += "  Subject: " + terminal_text(entry.subject);
  return line + "\n";
}

std::string entry_text(const Entry& entry) {
  std::string out;
  field(out, "id", entry.id);
  field(out, "state", name_of(entry.state));
  field(out, "reason", entry.reason);
  if (entry.attempts > 0) field(out, "attempts", std::to_string(entry.attempts));
  field(out, "size", std::to_string(entry.size));
  field(out, "cannot be read", entry.problem);
  if (!entry.problem.empty()) return out;
  const mail_json::StoredMail& mail = entry.mail;
  field(out, "first", format_timestamp(entry.first_ns));
  field(out, "message_id", mail.id);
  field(out, "time", format_timestamp(mail.time_ns));
  field(out, "from", "<" + mail.sender + ">");
  field(out, "mail_parameters", mail.mail_parameters);
  for (const mail_json::StoredRecipient& to : mail.recipients) {
    field(out, "to", "<" + to.address + ">" + (to.parameters.empty() ? "" : " " + to.parameters));
  }
  field(out, "helo", mail.helo);
  field(out, "peer", mail.peer_address);
  field(out, "protocol", mail.protocol);
  field(out, "listener", mail.listener);
  const mail_json::StoredTls& tls = mail.tls;
  field(out, "tls", tls.cipher.empty() ? tls.version : tls.version + " " + tls.cipher);
  field(out, "auth_user", mail.auth_user);
  field(out, "target", mail.bookkeeping.target);
  if (mail.bookkeeping.reason != entry.reason) field(out, "last attempt", mail.bookkeeping.reason);
  if (mail.bookkeeping.in_doubt)
    field(out, "in doubt", "yes: it was sent, and its outcome is unknown");
  for (const auto& [key, value] : mail.bookkeeping.annotations) {
    field(out, "annotation", std::string(key).append("=").append(value));
  }
  return out;
}

std::string entry_json(const Entry& entry, bool with_subject) {
  mail_json::Text text;
  text.open('{');
  text.key("id").string(entry.id);
  text.key("state").string(name_of(entry.state));
  text.key("size").number(entry.size);
  if (!entry.reason.empty()) text.key("reason").string(entry.reason);
  if (!entry.problem.empty()) {
    text.key("problem").string(entry.problem);
  } else {
    text.key("first").string(format_timestamp(entry.first_ns));
    text.key("attempts").number(entry.attempts);
    text.key("message_id").string(entry.mail.id);
    text.key("message_id_field").string(entry.message_id);
    if (with_subject) text.key("subject").string(entry.subject);
    text.key("timestamp").string(format_timestamp(entry.mail.time_ns));
    text.key("sender").string(entry.mail.sender);
    text.key("recipients").open('[');
    for (const mail_json::StoredRecipient& to : entry.mail.recipients) {
      text.string("<" + to.address + ">");
    }
    text.close(']');
    text.key("target").string(entry.mail.bookkeeping.target);
  }
  text.close('}');
  return text.take() + "\n";
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string age_text(std::int64_t ns) {
  const std::int64_t seconds = std::max<std::int64_t>(0, ns / 1'000'000'000);
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  const std::int64_t hours = seconds / 3600;
  if (hours < 48) return std::to_string(hours) + " h " + std::to_string(seconds / 60 % 60) + " min";
  return std::to_string(hours / 24) + " d " + std::to_string(hours % 24) + " h";
}

}  // namespace lsmtpd::json_spool
