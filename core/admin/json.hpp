// SPDX-License-Identifier: Apache-2.0
// JSON by cJSON: values that are built, printed and read, owned by a pointer.
#pragma once

#include <cjson/cJSON.h>

#include <memory>
#include <string>
#include <string_view>

namespace lsmtpd::admin {

struct JsonDelete {
  void operator()(cJSON* value) const { cJSON_Delete(value); }
};
using Json = std::unique_ptr<cJSON, JsonDelete>;

inline Json json_object() {
  return Json(cJSON_CreateObject());
}
inline Json json_array() {
  return Json(cJSON_CreateArray());
}
// Text of plugins may not be UTF-8, or hold NUL: cJSON needs C strings, and readers need UTF-8.
std::string json_text(std::string_view text);

inline void put(cJSON* object, const char* key, Json value) {
  cJSON_AddItemToObject(object, key, value.release());
}
inline void put(cJSON* object, const char* key, std::string_view text) {
  cJSON_AddStringToObject(object, key, json_text(text).c_str());
}
inline void put(cJSON* object, const char* key, const char* text) {
  put(object, key, std::string_view(text));
}
inline void put(cJSON* object, const char* key, double number) {
  cJSON_AddNumberToObject(object, key, number);
}
inline void put_bool(cJSON* object, const char* key, bool value) {
  cJSON_AddBoolToObject(object, key, value);
}
inline void append(cJSON* array, Json value) {
  cJSON_AddItemToArray(array, value.release());
}
inline void append(cJSON* array, std::string_view text) {
  cJSON_AddItemToArray(array, cJSON_CreateString(json_text(text).c_str()));
}
inline void append(cJSON* array, double number) {
  cJSON_AddItemToArray(array, cJSON_CreateNumber(number));
}
std::string printed(const Json& value, bool pretty = false);

// An object of one member, as a line with LF.
std::string json_line(const char* key, std::string_view text);
std::string json_line(const char* key, int number);

}  // namespace lsmtpd::admin
