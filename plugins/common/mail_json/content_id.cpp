// SPDX-License-Identifier: Apache-2.0
#include "mail_json/content_id.hpp"

#include <openssl/evp.h>

#include "mail_json/content.hpp"

namespace lsmtpd::mail_json {

namespace {

// Fetched once: EVP_sha256() is looked up anew at each use.
const EVP_MD* sha256() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kFetched;
}

std::string hex(const unsigned char* octets, unsigned count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(std::size_t{count} * 2);
  for (unsigned i = 0; i < count; ++i) {
    text += kDigits[octets[i] >> 4];
    text += kDigits[octets[i] & 15];
  }
  return text;
}

}  // namespace

struct ContentId::State {
  State() : context(EVP_MD_CTX_new()) {
    good = context != nullptr && EVP_DigestInit_ex2(context, sha256(), nullptr) == 1;
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void add(std::string_view piece) {
    good = good && EVP_DigestUpdate(context, piece.data(), piece.size()) == 1;
  }

  EVP_MD_CTX* context;
  bool good;
};

ContentId::ContentId(const lsmtpd_envelope& envelope) : state_(std::make_unique<State>()) {
  const auto address = [this](std::string_view text) {
    state_->add(text);
    state_->add(std::string_view("\0", 1));
  };
  address(view(envelope.reverse_path));
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i)
    address(view(lsmtpd_recipient_at(&envelope, i)->address));
}

ContentId::~ContentId() = default;
ContentId::ContentId(ContentId&&) noexcept = default;

void ContentId::add(std::string_view piece) {
  state_->add(piece);
}

std::string ContentId::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!state_->good || EVP_DigestFinal_ex(state_->context, digest, &size) != 1) return {};
  return hex(digest, size);
}

}  // namespace lsmtpd::mail_json
