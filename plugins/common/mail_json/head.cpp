#include "mail_json/head.hpp"

#include <cjson/cJSON.h>

#include <algorithm>
#include <memory>

#include "mail_json/content.hpp"
#include "mail_json/timestamp.hpp"
#include "mail_json/utf8.hpp"

namespace lsmtpd::mail_json {
namespace {

struct CjsonDelete {
  void operator()(cJSON* json) const { cJSON_Delete(json); }
};

void add(cJSON* object, const char* key, std::string_view text) {
  cJSON_AddStringToObject(object, key, utf8_lossy(text).c_str());
}

void add_if(cJSON* object, const char* key, lsmtpd_str text) {
  if (text.size > 0) add(object, key, view(text));
}

void add_recipients(cJSON* object, const lsmtpd_envelope& envelope) {
  cJSON* list = cJSON_AddArrayToObject(object, "recipients");
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i) {
    const std::string address = utf8_lossy(view(envelope.recipients[i].address));
    cJSON_AddItemToArray(list, cJSON_CreateString(("<" + address + ">").c_str()));
  }
}

void add_recipient_parameters(cJSON* object, const lsmtpd_envelope& envelope) {
  const lsmtpd_recipient* end = envelope.recipients + envelope.recipient_count;
  const bool any = std::any_of(envelope.recipients, end,
                               [](const auto& one) { return one.parameters.size > 0; });
  if (!any) return;
  cJSON* list = cJSON_AddArrayToObject(object, "recipient_parameters");
  for (const lsmtpd_recipient* one = envelope.recipients; one != end; ++one) {
    cJSON_AddItemToArray(list, cJSON_CreateString(utf8_lossy(view(one->parameters)).c_str()));
  }
}

void add_extra(cJSON* object, const lsmtpd_envelope& envelope) {
  add_if(object, "peer_address", envelope.peer_address);
  if (envelope.peer_port != 0) cJSON_AddNumberToObject(object, "peer_port", envelope.peer_port);
  add_if(object, "protocol", envelope.protocol);
  add_if(object, "listener", envelope.listener);
  add_if(object, "tls", envelope.tls);
  add_if(object, "auth_user", envelope.auth_user);
  add_if(object, "mail_parameters", envelope.parameters);
  add_recipient_parameters(object, envelope);
}

void add_bookkeeping(cJSON* object, const lsmtpd_envelope& envelope, const Bookkeeping& book,
                     bool extra) {
  cJSON* own = cJSON_AddObjectToObject(object, "lsmtpd");
  cJSON_AddNumberToObject(own, "format", kFormat);
  add(own, "copy_id", book.copy_id);
  if (!book.target.empty()) add(own, "target", book.target);
  if (!book.annotations.empty()) {
    cJSON* list = cJSON_AddObjectToObject(own, "annotations");
    for (const auto& [key, value] : book.annotations) add(list, utf8_lossy(key).c_str(), value);
  }
  if (!extra) add_extra(cJSON_AddObjectToObject(own, "envelope"), envelope);
}

}  // namespace

std::string make_head(const lsmtpd_envelope& envelope, const WriterOptions& options) {
  const std::unique_ptr<cJSON, CjsonDelete> object(cJSON_CreateObject());
  add(object.get(), "timestamp", format_timestamp(envelope.time_ns));
  add(object.get(), "message_id", view(envelope.id));
  add(object.get(), "client_address", view(envelope.helo));
  add_recipients(object.get(), envelope);
  add(object.get(), "sender", view(envelope.reverse_path));
  if (options.extra) add_extra(object.get(), envelope);
  if (options.bookkeeping != nullptr) {
    add_bookkeeping(object.get(), envelope, *options.bookkeeping, options.extra);
  }
  char* text = cJSON_PrintBuffered(object.get(), 1024, 0);
  if (text == nullptr) return {};
  std::string head(text);
  cJSON_free(text);
  head.pop_back();
  return head;
}

}  // namespace lsmtpd::mail_json
