// SPDX-License-Identifier: Apache-2.0
#include "smtp/replies.hpp"

#include <algorithm>
#include <charconv>

#include "base/printable.hpp"
#include "smtp/xclient.hpp"

namespace lsmtpd::smtp {

namespace {

constexpr size_t kLineLimit = 512;  // RFC 5321 4.5.3.1.5, CRLF included

bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

// "4.3.2" at the front of what follows the code; empty where there is none.
std::string_view enhanced_in(std::string_view rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  const bool is_code = word.size() >= 5 && word[0] >= '2' && word[0] <= '5' && word[1] == '.';
  return is_code ? word : std::string_view();
}

}  // namespace

namespace replies {

std::string_view reason_of(const Fixed& reply) {
  if (!reply.reason.empty()) return reply.reason;
  std::string_view rest = reply.line.substr(4);
  const std::string_view enhanced = enhanced_in(rest);
  if (!enhanced.empty()) rest.remove_prefix(enhanced.size() + 1);
  return rest;
}

uint32_t code_of(const Fixed& reply) {
  uint32_t code = 0;
  std::from_chars(reply.line.data(), reply.line.data() + reply.line.size(), code);
  return code;
}

std::string_view enhanced_of(const Fixed& reply) {
  return enhanced_in(reply.line.substr(4));
}

Reply make(const Fixed& reply) {
  std::string_view rest = reply.line.substr(4);
  const std::string_view enhanced = enhanced_in(rest);
  if (!enhanced.empty()) rest.remove_prefix(enhanced.size() + 1);
  return {static_cast<int>(code_of(reply)), std::string(enhanced), std::string(rest)};
}

Reply shutting_down(std::string_view hostname) {
  return {421, "4.3.2", std::string(hostname) + " is shutting down"};
}

Reply configuration_changed(std::string_view hostname) {
  return {421, "4.3.2", std::string(hostname) + " has a new configuration, connect again"};
}

Reply chunk_failed_with(std::string_view first_reply) {
  return {503, "5.5.1", "An earlier BDAT failed (" + std::string(first_reply) + "): send RSET"};
}

Reply queued(std::string_view id) {
  constexpr std::string_view kText = "Ok: queued as ";
  Reply reply{250, "2.0.0"};
  reply.text.reserve(kText.size() + id.size());
  reply.text.append(kText).append(id);
  return reply;
}

}  // namespace replies

void ReplyWriter::write(const replies::Fixed& reply, uint32_t times) {
  for (; times > 0; --times) {
    text_ += reply.line;
    text_ += "\r\n";
  }
}

void ReplyWriter::write(const Reply& reply, uint32_t times) {
  if (times == 0) return;
  const size_t start = text_.size();
  text_.reserve(start +
                times * std::min(kLineLimit, reply.enhanced.size() + reply.text.size() + 8));
  std::string_view rest = reply.text;
  for (;;) {
    const size_t end = rest.find('\n');
    write_line(reply, rest.substr(0, end), end == std::string_view::npos);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  const size_t size = text_.size() - start;
  for (; times > 1; --times) text_.append(text_, start, size);
}

// Each line of several has the code, with a hyphen but for the last (RFC 5321 4.2), and the
// enhanced code (RFC 2034 4).
void ReplyWriter::write_line(const Reply& reply, std::string_view text, bool last) {
  const size_t start = text_.size();
  text_ += std::to_string(reply.code);
  bool first = true;
  for (const std::string_view part : {std::string_view(reply.enhanced), text}) {
    if (part.empty()) continue;
    text_ += first && !last ? '-' : ' ';
    text_ += part;
    first = false;
  }
  if (first && !last) text_ += '-';
  if (!is_printable_but<>(std::string_view(text_).substr(start))) {
    std::replace_if(
        text_.data() + start, text_.data() + text_.size(), [](char c) { return !is_printable(c); },
        '?');
  }
  if (text_.size() - start > kLineLimit - 2) text_.resize(start + kLineLimit - 2);
  text_ += "\r\n";
}

// RFC 4954 4: the blank is there without text too.
void ReplyWriter::write_challenge(std::string_view base64) {
  text_ += "334 ";
  text_ += base64;
  text_ += "\r\n";
}

void ReplyWriter::write_banner(std::string_view hostname, bool lmtp) {
  text_ += "220 ";
  text_ += hostname;
  text_ += lmtp ? " LMTP lsmtpd\r\n" : " ESMTP lsmtpd\r\n";
}

void ReplyWriter::write_greeting(const Announcement& announcement) {
  constexpr uint32_t kLimitValue = 999'999;  // RFC 9422 3: six digits
  text_ += announcement.extended ? "250-" : "250 ";
  text_ += announcement.hostname;
  text_ += "\r\n";
  if (!announcement.extended) return;
  text_ +=
      "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
      "250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n";
  if (announcement.starttls) text_ += "250-STARTTLS\r\n";
  text_ += "250-SIZE ";
  text_ += std::to_string(announcement.message_size);
  text_ += "\r\n250-LIMITS RCPTMAX=";
  text_ += std::to_string(std::min(announcement.recipients, kLimitValue));
  if (!announcement.mechanisms.empty()) {
    text_.append("\r\n250-AUTH").append(announcement.mechanisms);
  }
  if (announcement.xclient) text_.append("\r\n250-XCLIENT ").append(kXclientAttributes);
  text_ += "\r\n250-VRFY\r\n250 HELP\r\n";
}

}  // namespace lsmtpd::smtp
