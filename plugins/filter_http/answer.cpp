// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <cjson/cJSON.h>
#include <lsmtpd/lsmtpd.h>

#include <algorithm>
#include <memory>

namespace filter_http {

namespace {

constexpr size_t kLongestText = 1024, kLongestField = 8192, kMostItems = 100;
constexpr size_t kLongestLine = 998;  // RFC 5322 2.1.1

struct Kind {
  std::string_view name;
  uint32_t kind;
};
constexpr Kind kKinds[] = {{"continue", LSMTPD_CONTINUE},
                           {"accept", LSMTPD_ACCEPT},
                           {"reject", LSMTPD_REJECT},
                           {"tempfail", LSMTPD_TEMPFAIL},
                           {"discard", LSMTPD_DISCARD}};

const cJSON* member(const cJSON* object, const char* name) {
  return cJSON_GetObjectItemCaseSensitive(object, name);
}

// "": there is a text, or none.
std::string read_text(const cJSON* object, const char* name, size_t longest, std::string& out) {
  const cJSON* item = member(object, name);
  if (item == nullptr || cJSON_IsNull(item)) return {};
  if (!cJSON_IsString(item)) return std::string(name) + " is no string";
  out = item->valuestring;
  return out.size() > longest ? std::string(name) + " is too long" : "";
}

std::string read_code(const cJSON* object, uint32_t kind, uint32_t& code) {
  const cJSON* item = member(object, "code");
  if (item == nullptr || cJSON_IsNull(item)) return {};
  if (!cJSON_IsNumber(item) || item->valuedouble != static_cast<double>(item->valueint))
    return "code is no whole number";
  const int number = item->valueint;
  const bool fits = kind == LSMTPD_REJECT     ? number >= 500 && number <= 599
                    : kind == LSMTPD_TEMPFAIL ? number >= 400 && number <= 499
                                              : true;
  if (!fits) return "code does not fit the verdict";
  code = kind == LSMTPD_REJECT || kind == LSMTPD_TEMPFAIL ? static_cast<uint32_t>(number) : 0;
  return {};
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 76 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != ':';
  });
}

// No control characters, and no line that is too long: nothing in it can begin another field.
bool is_field_value(std::string_view value) {
  return value.size() <= kLongestLine - 80 && std::none_of(value.begin(), value.end(), [](char c) {
           return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
         });
}

// {"NAME": "VALUE", ...}
std::string read_pairs(const cJSON* object, const char* name, bool fields, std::vector<Pair>& out) {
  const cJSON* table = member(object, name);
  if (table == nullptr || cJSON_IsNull(table)) return {};
  const std::string where = std::string(name) + " ";
  if (!cJSON_IsObject(table)) return where + "is no object";
  for (const cJSON* item = table->child; item != nullptr; item = item->next) {
    if (out.size() == kMostItems) return where + "has too many members";
    if (!cJSON_IsString(item)) return where + "has a value that is no string";
    const std::string_view key = item->string, value = item->valuestring;
    if (key.empty() || key.size() > kLongestText || value.size() > kLongestField)
      return where + "has a name or a value that is too long";
    if (fields && !is_field_name(key)) return where + "has a name that is no field's";
    if (fields && !is_field_value(value)) return where + "has a value that is no field's";
    out.emplace_back(key, value);
  }
  return {};
}

std::string read_names(const cJSON* object, const char* name, std::vector<std::string>& out) {
  const cJSON* list = member(object, name);
  if (list == nullptr || cJSON_IsNull(list)) return {};
  if (!cJSON_IsArray(list)) return std::string(name) + " is no list";
  for (const cJSON* item = list->child; item != nullptr; item = item->next) {
    if (out.size() == kMostItems) return std::string(name) + " has too many members";
    if (!cJSON_IsString(item) || !is_field_name(item->valuestring))
      return std::string(name) + " has a member that is no field's name";
    out.emplace_back(item->valuestring);
  }
  return {};
}

std::string read_header(const cJSON* object, Answer& answer) {
  const cJSON* header = member(object, "header");
  if (header == nullptr || cJSON_IsNull(header)) return {};
  if (!cJSON_IsObject(header)) return "header is no object";
  std::string problem = read_pairs(header, "add", true, answer.add);
  if (problem.empty()) problem = read_pairs(header, "change", true, answer.change);
  if (problem.empty()) problem = read_names(header, "remove", answer.remove);
  return problem.empty() ? problem : "header." + problem;
}

std::string read_answer(const cJSON* object, Answer& answer) {
  if (!cJSON_IsObject(object)) return "it is no object";
  const cJSON* verdict = member(object, "verdict");
  if (!cJSON_IsString(verdict)) return "verdict is missing";
  const auto* found = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& one) {
    return one.name == verdict->valuestring;
  });
  if (found == std::end(kKinds))
    return "verdict is none of continue, accept, reject, tempfail, discard";
  answer.kind = found->kind;
  std::string problem = read_code(object, answer.kind, answer.code);
  if (problem.empty()) problem = read_text(object, "enhanced", 16, answer.enhanced);
  if (problem.empty()) problem = read_text(object, "text", kLongestText, answer.text);
  if (problem.empty()) problem = read_pairs(object, "annotations", false, answer.annotations);
  return problem.empty() ? read_header(object, answer) : problem;
}

}  // namespace

std::string parse_answer(std::string_view json, Answer& answer) {
  const char* end = nullptr;
  const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> tree(
      cJSON_ParseWithLengthOpts(json.data(), json.size(), &end, 0), cJSON_Delete);
  if (!tree) return "it is no JSON";
  const auto rest = json.substr(static_cast<size_t>(end - json.data()));
  if (rest.find_first_not_of(std::string_view(" \t\r\n\0", 5)) != std::string_view::npos)
    return "something follows the JSON";
  answer = {};
  std::string problem = read_answer(tree.get(), answer);
  if (!problem.empty()) answer = {};
  return problem;
}

uint64_t cost_of(const Answer& answer) {
  uint64_t bytes = answer.text.capacity() + answer.enhanced.capacity();
  for (const auto* pairs : {&answer.annotations, &answer.add, &answer.change})
    for (const Pair& pair : *pairs)
      bytes += sizeof pair + pair.first.capacity() + pair.second.capacity();
  for (const auto& name : answer.remove) bytes += sizeof name + name.capacity();
  return bytes;
}

std::string field(const Pair& pair) {
  return pair.first + ": " + pair.second + "\r\n";
}

}  // namespace filter_http
