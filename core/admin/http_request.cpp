// SPDX-License-Identifier: Apache-2.0
#include "admin/http_request.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>

namespace lsmtpd::admin {

namespace http = boost::beast::http;

struct RequestReader::Impl {
  http::request_parser<http::string_body> parser;
  std::string waiting;  // what the parser has not taken: the part of a line
};

RequestReader::RequestReader() : impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(kLongestHead);
  impl_->parser.body_limit(kLongestBody);
  impl_->parser.eager(true);
}

RequestReader::~RequestReader() = default;

RequestReader::Read RequestReader::put(std::string_view octets) {
  impl_->waiting.append(octets);
  boost::beast::error_code error;
  while (!impl_->parser.is_done()) {
    const size_t taken =
        impl_->parser.put(boost::asio::buffer(impl_->waiting.data(), impl_->waiting.size()), error);
    impl_->waiting.erase(0, taken);
    if (error == http::error::need_more) {
      return impl_->waiting.size() > kLongestHead ? Read::too_large : Read::more;
    }
    if (error == http::error::header_limit || error == http::error::body_limit)
      return Read::too_large;
    if (error) return Read::bad;
    if (taken == 0 && !impl_->parser.is_done()) return Read::more;
  }
  return Read::done;
}

namespace {

std::string text_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

void take_query(std::string_view text, std::map<std::string, std::string>& into) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const bool has_value = equals != std::string_view::npos;
    into[percent_decoded(pair.substr(0, equals))] =
        has_value ? percent_decoded(pair.substr(equals + 1)) : "";
  }
}

}  // namespace

Request RequestReader::take() {
  auto& message = impl_->parser.get();
  Request request;
  request.method = text_of(message.method_string());
  const std::string target = text_of(message.target());
  const size_t mark = target.find('?');
  request.path = percent_decoded(std::string_view(target).substr(0, mark));
  if (mark != std::string::npos)
    take_query(std::string_view(target).substr(mark + 1), request.query);
  request.host = text_of(message[http::field::host]);
  request.authorization = text_of(message[http::field::authorization]);
  request.body = std::move(message.body());
  return request;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ptr == &text[i + 1] + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace lsmtpd::admin
