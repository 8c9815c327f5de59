// SPDX-License-Identifier: Apache-2.0
#include "file_names.hpp"

#include <algorithm>

namespace lsmtpd::json_spool {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kLongest = 200;

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool valid_id(std::string_view id) {
  return !id.empty() && id.size() <= kLongest && id[0] != '.' &&
         std::all_of(id.begin(), id.end(), allowed);
}

std::string output_id(std::string_view copy_id, std::string_view spool) {
  const std::string suffix = std::string(".").append(spool);
  if (copy_id.ends_with(suffix)) copy_id.remove_suffix(suffix.size());
  return std::string(copy_id);
}

std::string file_name(std::string_view id) {
  return std::string(id).append(kSuffix);
}

std::optional<std::string> id_of(std::string_view file_name) {
  if (!file_name.ends_with(kSuffix)) return std::nullopt;
  file_name.remove_suffix(kSuffix.size());
  if (!valid_id(file_name)) return std::nullopt;
  return std::string(file_name);
}

std::string reason_name(std::string_view id) {
  return std::string(id).append(".reason");
}

}  // namespace lsmtpd::json_spool
