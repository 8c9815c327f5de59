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

// The first problem; later ones are not reported.
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
    mail.recipients.push_back({without_brackets(item->valuestring), {}, 0});
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

// An object, or, in older files, a string: "TLSv1.3 TLS_AES_256_GCM_SHA384".
void read_tls(const cJSON* object, StoredMail& mail, Problem& problem) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, "tls");
  if (item == nullptr) return;
  StoredTls tls;
  if (cJSON_IsString(item)) {
    const std::string text = item->valuestring;
    const std::size_t blank = text.find(' ');
    tls.version = text.substr(0, blank);
    if (blank != std::string::npos) tls.cipher = text.substr(blank + 1);
  } else if (cJSON_IsObject(item)) {
    tls.version = text_of(item, "version", false, problem);
    tls.cipher = text_of(item, "cipher", false, problem);
    tls.server_name = text_of(item, "server_name", false, problem);
    tls.client_subject = text_of(item, "client_subject", false, problem);
    tls.client_sha256 = text_of(item, "client_sha256", false, problem);
    tls.by = text_of(item, "by", false, problem);
  } else {
    return problem.set("tls is not an object");
  }
  mail.tls = std::move(tls);
}

std::uint32_t number_of(const cJSON* object, const char* key) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, key);
  if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 4294967295.0) return 0;
  return static_cast<std::uint32_t>(item->valuedouble);
}

// The numbers of the recipients that are left of `recipient_total`.
void read_recipient_numbers(const cJSON* own, StoredMail& mail, Problem& problem) {
  const cJSON* list = cJSON_GetObjectItemCaseSensitive(own, "recipient_numbers");
  if (list == nullptr) return;
  mail.recipient_total = number_of(own, "recipient_total");
  std::size_t index = 0;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, list) {
    if (index == mail.recipients.size() || !cJSON_IsNumber(item) || item->valuedouble < 0 ||
        item->valuedouble >= mail.recipient_total) {
      return problem.set("recipient_numbers does not match recipients");
    }
    mail.recipients[index++].number = static_cast<std::uint32_t>(item->valuedouble);
  }
  if (index != mail.recipients.size() || mail.recipient_total <= index)
    problem.set("recipient_numbers does not match recipients");
}

// lsmtpd's own keys, at the top level or under "lsmtpd".
void read_extra(const cJSON* object, StoredMail& mail, Problem& problem) {
  const auto take = [&](const char* key, std::string& to) {
    std::string value = text_of(object, key, false, problem);
    if (!value.empty()) to = std::move(value);
  };
  take("mail_parameters", mail.mail_parameters);
  take("peer_address", mail.peer_address);
  take("protocol", mail.protocol);
  take("listener", mail.listener);
  read_tls(object, mail, problem);
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
  mail.bookkeeping.reason = text_of(own, "reason", false, problem);
  mail.bookkeeping.attempts = number_of(own, "attempts");
  const std::string first = text_of(own, "first", false, problem);
  mail.bookkeeping.first_ns = parse_timestamp(first).value_or(0);
  mail.bookkeeping.in_doubt = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(own, "in_doubt"));
  read_recipient_numbers(own, mail, problem);
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
    const auto place = static_cast<std::uint32_t>(recipients_.size());
    recipients_.push_back({str(recipient.address), str(recipient.parameters),
                           mail.recipient_total == 0 ? place : recipient.number, 0});
  }
  envelope_.size = sizeof(envelope_);
  envelope_.recipient_stride = sizeof(lsmtpd_recipient);
  envelope_.recipient_total = mail.recipient_total == 0 ? recipients_.size() : mail.recipient_total;
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
  if (mail.tls.any()) {
    tls_ = {sizeof tls_,
            0,
            str(mail.tls.version),
            str(mail.tls.cipher),
            str(mail.tls.server_name),
            str(mail.tls.client_subject),
            str(mail.tls.client_sha256),
            str(mail.tls.by)};
    envelope_.tls = &tls_;
  }
  if (!mail.auth_user.empty()) {
    auth_ = {sizeof auth_, 0, str(mail.auth_user), {}};
    envelope_.auth = &auth_;
  }
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
