// SPDX-License-Identifier: Apache-2.0
#include "mail_json/stored.hpp"

#include <cjson/cJSON.h>

#include <memory>

#include "mail_json/content.hpp"
#include "mail_json/timestamp.hpp"

namespace lsmtpd::mail_json {
namespace {

struct CjsonDelete {
  void operator()(cJSON* json) const { cJSON_Delete(json); }
};

// The first problem met; later ones are not looked at.
struct Problem {
  std::string text;
  void set(const std::string& what) {
    if (text.empty()) text = what;
  }
};

std::string text_of(const cJSON* object, const char* key, bool required, Problem& problem) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, key);
  if (item == nullptr || cJSON_IsNull(item)) {
    if (required) problem.set(std::string("the key ") + key + " is missing");
    return {};
  }
  if (!cJSON_IsString(item)) {
    problem.set(std::string(key) + " is not a string");
    return {};
  }
  return item->valuestring;
}

std::string without_brackets(std::string address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>') {
    return address.substr(1, address.size() - 2);
  }
  return address;
}

void read_recipients(const cJSON* object, StoredMail& mail, Problem& problem) {
  const cJSON* list = cJSON_GetObjectItemCaseSensitive(object, "recipients");
  if (!cJSON_IsArray(list)) return problem.set("recipients is missing or not an array");
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, list) {
    if (!cJSON_IsString(item)) return problem.set("a recipient is not a string");
    mail.recipients.push_back({without_brackets(item->valuestring), {}});
  }
  if (mail.recipients.empty()) problem.set("there are no recipients");
}

void read_recipient_parameters(const cJSON* object, StoredMail& mail, Problem& problem) {
  const cJSON* list = cJSON_GetObjectItemCaseSensitive(object, "recipient_parameters");
  if (list == nullptr) return;
  if (!cJSON_IsArray(list)) return problem.set("recipient_parameters is not an array");
  std::size_t index = 0;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, list) {
    if (index == mail.recipients.size() || !cJSON_IsString(item)) {
      return problem.set("recipient_parameters does not match recipients");
    }
    mail.recipients[index++].parameters = item->valuestring;
  }
}

// The keys of ours, from the top level or from under "lsmtpd".
void read_extra(const cJSON* object, StoredMail& mail, Problem& problem) {
  const auto take = [&](const char* key, std::string& to) {
    std::string value = text_of(object, key, false, problem);
    if (!value.empty()) to = std::move(value);
  };
  take("mail_parameters", mail.mail_parameters);
  take("peer_address", mail.peer_address);
  take("protocol", mail.protocol);
  take("listener", mail.listener);
  take("tls", mail.tls);
  take("auth_user", mail.auth_user);
  const cJSON* port = cJSON_GetObjectItemCaseSensitive(object, "peer_port");
  if (cJSON_IsNumber(port) && port->valuedouble >= 0 && port->valuedouble <= 65535) {
    mail.peer_port = static_cast<std::uint32_t>(port->valuedouble);
  }
  read_recipient_parameters(object, mail, problem);
}

void read_bookkeeping(const cJSON* own, StoredMail& mail, Problem& problem) {
  const cJSON* format = cJSON_GetObjectItemCaseSensitive(own, "format");
  if (!cJSON_IsNumber(format)) return problem.set("lsmtpd.format is missing");
  if (format->valuedouble != kFormat) return problem.set("lsmtpd.format is of another version");
  mail.has_bookkeeping = true;
  mail.bookkeeping.copy_id = text_of(own, "copy_id", false, problem);
  mail.bookkeeping.target = text_of(own, "target", false, problem);
  const cJSON* annotations = cJSON_GetObjectItemCaseSensitive(own, "annotations");
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, annotations) {
    if (!cJSON_IsString(item) || item->string == nullptr) {
      return problem.set("an annotation is not a string");
    }
    mail.bookkeeping.annotations.emplace_back(item->string, item->valuestring);
  }
  const cJSON* envelope = cJSON_GetObjectItemCaseSensitive(own, "envelope");
  if (envelope != nullptr) read_extra(envelope, mail, problem);
}

}  // namespace

EnvelopeView::EnvelopeView(const StoredMail& mail) {
  recipients_.reserve(mail.recipients.size());
  for (const StoredRecipient& recipient : mail.recipients) {
    recipients_.push_back({str(recipient.address), str(recipient.parameters)});
  }
  envelope_.size = sizeof(envelope_);
  envelope_.peer_port = mail.peer_port;
  envelope_.id = str(mail.id);
  envelope_.time_ns = mail.time_ns;
  envelope_.reverse_path = str(mail.sender);
  envelope_.parameters = str(mail.mail_parameters);
  envelope_.recipients = recipients_.data();
  envelope_.recipient_count = recipients_.size();
  envelope_.helo = str(mail.helo);
  envelope_.protocol = str(mail.protocol);
  envelope_.listener = str(mail.listener);
  envelope_.peer_address = str(mail.peer_address);
  envelope_.tls = str(mail.tls);
  envelope_.auth_user = str(mail.auth_user);
}

Result<StoredMail> parse_stored(const std::string& json) {
  const std::unique_ptr<cJSON, CjsonDelete> object(cJSON_ParseWithLength(json.data(), json.size()));
  if (!cJSON_IsObject(object.get())) return tl::make_unexpected("it is not valid JSON");
  StoredMail mail;
  Problem problem;
  const std::string time = text_of(object.get(), "timestamp", true, problem);
  if (const auto ns = parse_timestamp(time)) {
    mail.time_ns = *ns;
  } else {
    problem.set("timestamp is not a time");
  }
  mail.id = text_of(object.get(), "message_id", true, problem);
  mail.helo = text_of(object.get(), "client_address", false, problem);
  mail.sender = without_brackets(text_of(object.get(), "sender", true, problem));
  read_recipients(object.get(), mail, problem);
  read_extra(object.get(), mail, problem);
  const cJSON* own = cJSON_GetObjectItemCaseSensitive(object.get(), "lsmtpd");
  if (own != nullptr) read_bookkeeping(own, mail, problem);
  if (!problem.text.empty()) return tl::make_unexpected(problem.text);
  return mail;
}

}  // namespace lsmtpd::mail_json
