// SPDX-License-Identifier: Apache-2.0
#include "entry.hpp"

#include <cjson/cJSON.h>

#include <cerrno>
#include <mail_json/json_text.hpp>
#include <mail_json/timestamp.hpp>

#include "archive.hpp"
#include "file_names.hpp"
#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

using mail_json::format_timestamp;

// The "reason" of a dead letter's sidecar, empty where there is none.
std::string read_reason(Files& files, int directory, const std::string& id) {
  const File file(files, files.open_existing(directory, reason_name(id).c_str()));
  if (!file) return {};
  std::string text(64 * 1024, '\0');
  const std::int64_t size = files.read_at(file.get(), 0, text.data(), text.size());
  cJSON* json = cJSON_ParseWithLength(text.data(), static_cast<std::size_t>(size < 0 ? 0 : size));
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(json, "reason");
  std::string reason = cJSON_IsString(item) ? item->valuestring : "";
  cJSON_Delete(json);
  return reason;
}

void field(std::string& out, const char* name, std::string_view value) {
  if (value.empty()) return;
  out += name;
  out += ": ";
  out += terminal_text(value);
  out += '\n';
}

}  // namespace

std::optional<Entry> read_entry(Files& files, const Place& place, const std::string& id) {
  const int fd = files.open_existing(place.directory, file_name(id).c_str());
  if (fd == -ENOENT) return std::nullopt;
  Entry entry;
  entry.id = id;
  entry.state = place.state;
  const File file(files, fd);
  FileInfo info;
  if (fd < 0 || files.info(fd, info) < 0 || !info.regular) {
    entry.problem = fd < 0 ? error_text(fd) : "it is no regular file";
    return entry;
  }
  entry.size = info.size;
  FileInput input(files, fd);
  auto mail = mail_json::Reader(input).open();
  if (mail) {
    entry.mail = std::move(*mail);
  } else {
    entry.problem = mail.error();
  }
  entry.reason = read_reason(files, place.directory, id);
  return entry;
}

mail_json::Result<void> read_content(Files& files, const Place& place, const std::string& id,
                                     const mail_json::Reader::Sink& sink) {
  const int fd = files.open_existing(place.directory, file_name(id).c_str());
  if (fd < 0) return tl::make_unexpected(error_text(fd));
  const File file(files, fd);
  FileInput input(files, fd);
  mail_json::Reader reader(input);
  const auto mail = reader.open();
  if (!mail) return tl::make_unexpected(mail.error());
  return reader.content(sink);
}

std::string entry_line(const Entry& entry) {
  std::string line = entry.id + "  " + entry.state;
  if (!entry.problem.empty()) {
    return line + "  " + std::to_string(entry.size) +
           "  cannot be read: " + terminal_text(entry.problem) + "\n";
  }
  const mail_json::StoredMail& mail = entry.mail;
  line += "  " + format_timestamp(mail.time_ns).substr(0, 19) + "Z";
  line += "  " + std::to_string(entry.size);
  line += "  <" + terminal_text(mail.sender) + "> -> <";
  line += terminal_text(mail.recipients[0].address) + ">";
  if (mail.recipients.size() > 1) line += " +" + std::to_string(mail.recipients.size() - 1);
  if (!mail.bookkeeping.target.empty()) {
    line += "  for " + terminal_text(mail.bookkeeping.target);
  }
  if (!entry.reason.empty()) line += "  " + terminal_text(entry.reason);
  return line + "\n";
}

std::string entry_text(const Entry& entry) {
  std::string out;
  field(out, "id", entry.id);
  field(out, "state", entry.state);
  field(out, "reason", entry.reason);
  field(out, "size", std::to_string(entry.size));
  field(out, "cannot be read", entry.problem);
  if (!entry.problem.empty()) return out;
  const mail_json::StoredMail& mail = entry.mail;
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
  field(out, "last attempt", mail.bookkeeping.reason);
  if (mail.bookkeeping.in_doubt)
    field(out, "in doubt", "yes: it was sent, and its outcome is unknown");
  for (const auto& [key, value] : mail.bookkeeping.annotations) {
    field(out, "annotation", std::string(key).append("=").append(value));
  }
  return out;
}

std::string entry_json(const Entry& entry) {
  mail_json::Text text;
  text.open('{');
  text.key("id").string(entry.id);
  text.key("state").string(entry.state);
  text.key("size").number(entry.size);
  if (!entry.reason.empty()) text.key("reason").string(entry.reason);
  if (!entry.problem.empty()) {
    text.key("problem").string(entry.problem);
  } else {
    text.key("message_id").string(entry.mail.id);
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

}  // namespace lsmtpd::json_spool
