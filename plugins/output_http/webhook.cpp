// SPDX-License-Identifier: Apache-2.0
#include "webhook.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <array>
#include <mail_json/base64.hpp>
#include <stdexcept>

namespace lsmtpd::output_http {

namespace {

constexpr std::string_view kPrefix = "whsec_";
// Standard Webhooks has 24 to 64; a little less is no reason to stop.
constexpr std::size_t kShortest = 16;
constexpr std::size_t kLongest = 128;

tl::expected<Key, std::string> parse_key(std::string_view line) {
  if (line.substr(0, kPrefix.size()) == kPrefix) line.remove_prefix(kPrefix.size());
  mail_json::Base64Decoder decoder;
  std::string bytes(line.size() + 3, '\0');
  const std::int64_t got = decoder.decode(line, bytes.data());
  if (got < 0 || !decoder.finish())
    return tl::unexpected(std::string("holds a line that is no key: whsec_ and base64"));
  bytes.resize(static_cast<std::size_t>(got));
  if (bytes.size() < kShortest || bytes.size() > kLongest)
    return tl::unexpected(std::string("holds a key that has not 16 to 128 bytes"));
  return bytes;
}

std::string base64(std::string_view bytes) {
  std::string out(mail_json::base64_size(bytes.size()) + 4, '\0');
  mail_json::Base64Encoder encoder;
  const auto step = encoder.encode(bytes, out.data(), out.size());
  out.resize(step.written + encoder.finish(out.data() + step.written));
  return out;
}

void need(bool good) {
  if (!good) throw std::runtime_error("OpenSSL cannot sign");
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

}  // namespace

tl::expected<std::vector<Key>, std::string> parse_keys(std::string_view text) {
  std::vector<Key> keys;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    auto key = parse_key(line);
    if (!key) return tl::unexpected(key.error());
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return tl::unexpected(std::string("holds no key"));
  return keys;
}

struct Signer::State {
  std::unique_ptr<EVP_MAC, FreeMac> mac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
  std::vector<std::unique_ptr<EVP_MAC_CTX, FreeMac>> contexts;
};

Signer::Signer(const std::vector<Key>& keys, std::string_view id, std::uint64_t timestamp)
    : state_(std::make_unique<State>()) {
  need(state_->mac != nullptr);
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  for (const Key& key : keys) {
    state_->contexts.emplace_back(EVP_MAC_CTX_new(state_->mac.get()));
    need(state_->contexts.back() != nullptr &&
         EVP_MAC_init(state_->contexts.back().get(),
                      reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                      parameters) == 1);
  }
  add(id);
  add("." + std::to_string(timestamp) + ".");
}

Signer::~Signer() = default;

void Signer::add(std::string_view bytes) {
  for (const auto& context : state_->contexts)
    need(EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                        bytes.size()) == 1);
}

std::string Signer::signature() {
  std::string all;
  for (const auto& context : state_->contexts) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    std::size_t size = 0;
    need(EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) == 1);
    if (!all.empty()) all += ' ';
    all += "v1," + base64({reinterpret_cast<const char*>(digest.data()), size});
  }
  return all;
}

}  // namespace lsmtpd::output_http
