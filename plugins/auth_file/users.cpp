// SPDX-License-Identifier: Apache-2.0
#include "users.hpp"

#include <crypt.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

namespace auth_file {
namespace {

constexpr std::string_view kCertificate = "{cert-sha256}";
constexpr std::size_t kFingerprint = 64;
constexpr std::size_t kLongestFile = std::size_t{16} << 20;
// Where the file has no password at all.
constexpr const char* kNobody = "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde";

int number_in(std::string_view text, int otherwise) {
  int number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

int base64_value(char c) {  // of crypt(3)
  constexpr std::string_view kDigits =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const auto at = kDigits.find(c);
  return at == kDigits.npos ? -1 : static_cast<int>(at);
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool same(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return different == 0;
}

bool matches(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  const bool right = made != nullptr && made[0] != '*' && same(made, hash);
  explicit_bzero(data.get(), sizeof *data);
  return right;
}

}  // namespace

double cost_of(std::string_view hash) {
  const std::string_view kind = hash.substr(0, 4);
  if (kind == "$2b$" || kind == "$2a$" || kind == "$2y$") {
    const int rounds = number_in(hash.substr(4, 2), 0);
    return hash.size() == 60 && rounds >= 4 && rounds <= 31 ? 45.0 * (1u << rounds) : 0;
  }
  if (hash.substr(0, 3) == "$6$") {
    constexpr std::string_view kRounds = "$6$rounds=";
    return 0.4 * (hash.substr(0, kRounds.size()) == kRounds
                      ? number_in(hash.substr(kRounds.size()), 5000)
                      : 5000);
  }
  if (hash.substr(0, 3) == "$y$" && hash.size() > 7) {
    const int blocks = base64_value(hash[4]), size = base64_value(hash[5]);
    if (blocks < 0 || size < 0 || blocks > 20) return 25'000;
    return 0.17 * (1u << (blocks + 1)) * (size + 1);
  }
  return 0;
}

std::string Users::read(const std::string& file) {
  const std::unique_ptr<FILE, int (*)(FILE*)> stream(std::fopen(file.c_str(), "re"), std::fclose);
  if (!stream) return file + ": " + strerror(errno);
  std::string text;
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, stream.get())) > 0;) {
    text.append(buffer, got);
    if (text.size() > kLongestFile) return file + ": it is larger than 16 MiB";
  }
  if (std::ferror(stream.get()) != 0) return file + ": " + strerror(errno);
  const std::string problem = parse(text);
  return problem.empty() ? problem : file + ":" + problem;
}

std::string Users::parse(std::string_view text) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const auto tag = line.find(":{cert-sha256}");  // a fingerprint may have colons
    const auto colon = tag == line.npos ? line.rfind(':') : tag;
    const std::string problem = colon == line.npos || colon == 0
                                    ? std::string("write NAME:HASH")
                                    : add(line.substr(0, colon), line.substr(colon + 1));
    // Not the line itself: it may be a password in the clear.
    if (!problem.empty()) return std::to_string(number) + ": " + problem;
  }
  return {};
}

std::string Users::add(std::string_view name, std::string_view secret) {
  if (secret.substr(0, kCertificate.size()) == kCertificate) {
    std::string fingerprint = lower(secret.substr(kCertificate.size()));
    fingerprint.erase(std::remove(fingerprint.begin(), fingerprint.end(), ':'), fingerprint.end());
    if (fingerprint.size() != kFingerprint ||
        !std::all_of(fingerprint.begin(), fingerprint.end(), is_hex))
      return "a fingerprint has 64 hexadecimal digits";
    if (!certificates_.emplace(std::move(fingerprint), name).second)
      return "this certificate has a user already";
    return {};
  }
  const bool locked = !secret.empty() && (secret.front() == '!' || secret.front() == '*');
  const double cost = locked ? 0 : cost_of(secret);
  if (!locked && cost <= 0) return "the hash is not bcrypt, yescrypt or SHA-512";
  if (!passwords_.emplace(name, secret).second) return "this user has a password already";
  if (cost > most_expensive_us_) {
    most_expensive_us_ = cost;
    most_expensive_ = secret;
  }
  return {};
}

Checked Users::check(std::string_view user, const std::string& password) const {
  const auto found = passwords_.find(user);
  if (found != passwords_.end() && cost_of(found->second) > 0)
    return matches(password, found->second) ? Checked::right : Checked::wrong;
  matches(password, most_expensive_.empty() ? kNobody : most_expensive_);
  return found == passwords_.end() ? Checked::unknown : Checked::wrong;
}

std::string_view Users::user_of(std::string_view fingerprint) const {
  const auto found = certificates_.find(lower(fingerprint));
  return found == certificates_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace auth_file
