// SPDX-License-Identifier: Apache-2.0
// Reading of the server's answers: members of an object, with defaults for those that are missing
// or of another type. Texts lose what is not printable ASCII, since they go to logs. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct cJSON;

namespace lsmtpd::nats {

class Json {
 public:
  // No object: it could not be read.
  static Json parse(std::string_view text);

  bool is_object() const;
  // No object: there is none. It shares what parse() made.
  Json object(const char* key) const;
  bool has_object(const char* key) const { return object(key).is_object(); }
  std::string text(const char* key) const;
  double number(const char* key, double otherwise) const;
  bool has_number(const char* key) const;
  std::string digits(const char* key) const;  // of a whole number; "0" where it is missing
  bool is_true(const char* key) const;
  std::vector<std::string> texts(const char* key) const;  // of a list

 private:
  Json(std::shared_ptr<cJSON> root, const cJSON* item) : root_(std::move(root)), item_(item) {}
  const cJSON* member(const char* key) const;

  std::shared_ptr<cJSON> root_;
  const cJSON* item_;
};

}  // namespace lsmtpd::nats
