// SPDX-License-Identifier: Apache-2.0
#include "transfer.hpp"

#include <strings.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace filter_http {

namespace sdk = lsmtpd::sdk;

namespace {

constexpr size_t piece_size = 65536, longest_text = 200, most_fields = 20;
constexpr std::string_view field_header = "Lsmtpd-Add-Header:";

// Header values come from clients: nothing in them may end the line.
std::string clean(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "Name: value" that may stand in a message: a plain name, one line, not too long.
bool is_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || line.size() > 900) return false;
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return c > 32 && c < 127; });
}

}  // namespace

Transfer::Transfer(const sdk::LaneHost& host, const Settings& settings, sdk::Call call,
                   sdk::FilterMessage message)
    : host_(host), call_(std::move(call)), message_(std::move(message)), easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::runtime_error("curl_easy_init failed");
  describe(message_.envelope());
  if (!settings.token.empty()) add_header("Authorization", "Bearer " + settings.token);
  curl_easy_setopt(easy_, CURLOPT_URL, settings.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(settings.timeout.count()));
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(settings.connect_timeout.count()));
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_POST, 1L);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(message_.size()));
  curl_easy_setopt(easy_, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(easy_, CURLOPT_READDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
}

Transfer::~Transfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void Transfer::add_header(const char* name, std::string_view value) {
  headers_ = curl_slist_append(headers_, (std::string(name) + ": " + clean(value)).c_str());
}

void Transfer::describe(const lsmtpd_envelope& envelope) {
  add_header("Content-Type", "message/rfc822");
  headers_ = curl_slist_append(headers_, "Expect:");
  add_header("Lsmtpd-Id", sdk::view(envelope.id));
  add_header("Lsmtpd-Peer", sdk::view(envelope.peer_address));
  add_header("Lsmtpd-Helo", sdk::view(envelope.helo));
  add_header("Lsmtpd-Sender", "<" + std::string(sdk::view(envelope.reverse_path)) + ">");
  for (uint64_t i = 0; i < envelope.recipient_count; ++i)
    add_header("Lsmtpd-Recipient",
               "<" + std::string(sdk::view(lsmtpd_recipient_at(&envelope, i)->address)) + ">");
}

// ---- the body: from memory at once, from a file piece by piece through the pool ----

size_t Transfer::on_read(char* buffer, size_t size, size_t count, void* self) {
  return static_cast<Transfer*>(self)->read(buffer, size * count);
}

size_t Transfer::read(char* buffer, size_t room) {
  if (failed_) return CURL_READFUNC_ABORT;
  std::string_view available = message_.peek(offset_);
  if (available.empty()) available = std::string_view(piece_).substr(piece_used_);
  if (available.empty() && offset_ == message_.size()) return 0;
  if (available.empty()) {
    fetch();
    return CURL_READFUNC_PAUSE;
  }
  const size_t count = std::min(room, available.size());
  std::memcpy(buffer, available.data(), count);
  offset_ += count;
  piece_used_ = std::min(piece_used_ + count, piece_.size());
  return count;
}

// Reading a spilled message may block on the disk, so the pool does it; the transfer may be gone
// when it comes back.
void Transfer::fetch() {
  if (fetching_) return;
  fetching_ = true;
  auto work = [message = message_, offset = offset_] {
    std::string piece(piece_size, '\0');
    const int64_t count = message.read(offset, piece.data(), piece.size());
    piece.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return piece;
  };
  auto done = [weak = weak_from_this()](std::string piece) {
    const std::shared_ptr<Transfer> self = weak.lock();
    if (self == nullptr) return;
    self->fetching_ = false;
    self->failed_ = piece.empty();
    self->piece_ = std::move(piece);
    self->piece_used_ = 0;
    curl_easy_pause(self->easy_, CURLPAUSE_CONT);
  };
  if (!host_.offload(std::move(work), std::move(done))) failed_ = true;
}

// ---- the answer ----

size_t Transfer::on_body(char* bytes, size_t size, size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  const size_t room = longest_text - self.text_.size();
  self.text_.append(bytes, std::min(room, size * count));
  return size * count;
}

size_t Transfer::on_header(char* bytes, size_t size, size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  const std::string_view line(bytes, size * count);
  const bool ours = line.size() > field_header.size() &&
                    strncasecmp(line.data(), field_header.data(), field_header.size()) == 0;
  if (ours && self.fields_.size() < most_fields)
    self.fields_.push_back(clean(trimmed(line.substr(field_header.size()))));
  return size * count;
}

void Transfer::finish(CURLcode result) {
  if (result != CURLE_OK) {
    const char* why = failed_             ? "cannot read the message"
                      : error_[0] != '\0' ? error_
                                          : curl_easy_strerror(result);
    host_.warn("the service did not answer", {{"id", message_.id()}, {"why", why}});
    return call_.tempfail({}, 0, {}, why);
  }
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  decide(status);
}

bool Transfer::edit() {
  std::string text;
  for (const std::string& field : fields_)
    if (is_field(field)) text += field + "\r\n";
  return text.empty() || message_.prepend_header(text);
}

void Transfer::decide(long status) {
  const std::string detail = "HTTP " + std::to_string(status);
  const std::string text = clean(trimmed(text_.substr(0, text_.find('\n'))));
  if (status == 200 || status == 204) {
    if (!edit()) return call_.tempfail({}, 0, {}, "no memory for the header fields");
    return call_.proceed();
  }
  if (status == 202) return call_.discard(detail);
  if (status == 403)
    return call_.reject(text.empty() ? "Refused by policy" : text, 554, "5.7.1", detail);
  call_.tempfail(status == 429 ? text : "", 0, {}, detail);
}

}  // namespace filter_http
