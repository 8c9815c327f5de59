// SPDX-License-Identifier: Apache-2.0
#include "answer_json.hpp"

#include <cjson/cJSON.h>

#include <algorithm>

namespace lsmtpd::nats {

namespace {

std::string printable(const char* text) {
  std::string out(text == nullptr ? "" : text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

}  // namespace

Json Json::parse(std::string_view text) {
  std::shared_ptr<cJSON> root(cJSON_ParseWithLength(text.data(), text.size()), cJSON_Delete);
  const cJSON* item = root.get();
  return {std::move(root), item};
}

bool Json::is_object() const {
  return cJSON_IsObject(item_) != 0;
}

const cJSON* Json::member(const char* key) const {
  return item_ == nullptr ? nullptr : cJSON_GetObjectItemCaseSensitive(item_, key);
}

Json Json::object(const char* key) const {
  const cJSON* found = member(key);
  return {root_, cJSON_IsObject(found) != 0 ? found : nullptr};
}

std::string Json::text(const char* key) const {
  const cJSON* found = member(key);
  return cJSON_IsString(found) != 0 ? printable(found->valuestring) : std::string();
}

double Json::number(const char* key, double otherwise) const {
  const cJSON* found = member(key);
  return cJSON_IsNumber(found) != 0 ? found->valuedouble : otherwise;
}

bool Json::has_number(const char* key) const {
  return cJSON_IsNumber(member(key)) != 0;
}

std::string Json::digits(const char* key) const {
  return std::to_string(static_cast<long long>(number(key, 0)));
}

bool Json::is_true(const char* key) const {
  return cJSON_IsTrue(member(key)) != 0;
}

std::vector<std::string> Json::texts(const char* key) const {
  std::vector<std::string> out;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, member(key)) {
    if (cJSON_IsString(item) != 0) out.push_back(printable(item->valuestring));
  }
  return out;
}

}  // namespace lsmtpd::nats
