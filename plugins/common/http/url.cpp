// SPDX-License-Identifier: Apache-2.0
#include "url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <memory>

namespace lsmtpd::http {

namespace {

constexpr const char* kNoUrl = "is no URL: write \"https://HOST/PATH\"";

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  std::string found = text;
  curl_free(text);
  return found;
}

bool is_own_host(const std::string& host) {
  in_addr ignored{};
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && ::inet_pton(AF_INET, host.c_str(), &ignored) == 1);
}

}  // namespace

tl::expected<Url, std::string> parse_url(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK)
    return tl::unexpected(std::string(kNoUrl));
  const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return tl::unexpected(std::string("begins with http:// or https://"));
  if (!part(parsed.get(), CURLUPART_USER).empty() ||
      !part(parsed.get(), CURLUPART_PASSWORD).empty())
    return tl::unexpected(std::string("has a user in it: use token_file, so that no log shows it"));
  const auto end = text.find_first_of("/?#", text.find("://") + 3);
  Url url;
  url.tls = scheme == "https";
  url.own_host = is_own_host(part(parsed.get(), CURLUPART_HOST));
  url.origin = text.substr(0, end);
  if (end != std::string::npos) url.path = text.substr(end);
  if (url.path.find('#') != std::string::npos)
    return tl::unexpected(std::string("has a fragment, which no server sees"));
  if (url.path.empty() || url.path[0] == '?') url.path.insert(0, "/");
  return url;
}

}  // namespace lsmtpd::http
