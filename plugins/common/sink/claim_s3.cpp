// SPDX-License-Identifier: Apache-2.0
#include "claim_s3.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <mail_json/base64.hpp>
#include <mail_json/sha256.hpp>
#include <utility>

#include "client_options.hpp"
#include "http_tls.hpp"
#include "password_file.hpp"

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kListed = 500;  // objects in one answer
constexpr std::size_t kMostList = 1024 * 1024;
// Where a request was refused because there is no room.
constexpr long kInsufficientStorage = 507;
// Of SHA-256: of nothing, which GET and DELETE have.
constexpr const char* kOfNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string base64(std::string_view octets) {
  char out[64];  // of 32 octets
  mail_json::Base64Encoder encoder;
  std::size_t size = encoder.encode(octets, out, sizeof out).written;
  size += encoder.finish(out + size);
  return {out, size};
}

bool is_good(long status) {
  return status >= 200 && status < 300;
}

// The text of the first element with this name; empty: there is none.
std::string_view element(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::string close = "</" + std::string(name) + ">";
  const std::size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const std::size_t from = begin + open.size();
  const std::size_t end = xml.find(close, from);
  return end == std::string_view::npos ? std::string_view() : xml.substr(from, end - from);
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 200)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

std::string fault_of(const http::AwsAnswer& answer) {
  std::string why = "status " + std::to_string(answer.status);
  const std::string_view code = element(answer.body, "Code");
  if (!code.empty()) why += ": " + printable(code);
  const std::string_view message = element(answer.body, "Message");
  if (!message.empty()) why += ": " + printable(message);
  return why;
}

// All but the unreserved characters of RFC 3986.
std::string percent_encoded_parameter(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

// "2026-11-30T21:14:45.000Z"; 0: it is none.
std::time_t time_of(std::string_view text) {
  std::tm parts{};
  if (::strptime(std::string(text.substr(0, 19)).c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr)
    return 0;
  return ::timegm(&parts);
}

http::AwsPeer peer_of(const S3Options& options) {
  http::AwsPeer peer;
  peer.region = options.region;
  peer.service = "s3";
  peer.tls = http_tls(options.tls);
  return peer;
}

}  // namespace

ClaimS3::ClaimS3(S3Options options) : options_(std::move(options)), client_(peer_of(options_)) {}

std::string ClaimS3::name() const {
  return "s3://" + options_.bucket + "/" + options_.prefix + " at " + options_.endpoint;
}

// URL and credentials. Returns what is wrong.
std::string ClaimS3::prepare(http::AwsRequest* request, const std::string& key) const {
  const auto access = read_password_file(options_.access_key_file);
  if (!access) return access.error();
  const auto secret = read_password_file(options_.secret_key_file);
  if (!secret) return secret.error();
  request->access_key = *access;
  request->secret_key = *secret;
  request->url = options_.endpoint + "/" + options_.bucket;
  if (!key.empty()) request->url += "/" + options_.prefix + key;
  request->timeout = options_.timeout;
  return {};
}

StoreResult ClaimS3::send(http::AwsRequest* request, const std::string& sha256) {
  StoreResult result;
  std::string digits = mail_json::hex(sha256);
  request->headers.push_back("x-amz-content-sha256: " + digits);
  request->headers.push_back("x-amz-checksum-sha256: " + base64(sha256));
  const http::AwsAnswer answer = client_.ask(*request);
  result.why = answer.why;
  if (result.why.empty() && !is_good(answer.status)) result.why = fault_of(answer);
  result.no_space = answer.status == kInsufficientStorage;
  result.sha256 = std::move(digits);
  return result;
}

StoreResult ClaimS3::put(const std::string& key, ClaimBody& body,
                         const std::atomic<bool>& dropped) {
  StoreResult result;
  http::AwsRequest request;
  result.why = prepare(&request, key);
  if (!result.why.empty()) return result;
  mail_json::Sha256 hash;
  for (std::string_view piece; !(piece = body.next()).empty();) hash.add(piece);
  if (body.failed() || !body.rewind()) {
    result.why = "the content could not be read";
    return result;
  }
  request.verb = http::AwsRequest::Verb::put;
  request.size = body.size();
  request.read = [&body] { return body.next(); };
  request.rewind = [&body] { return body.rewind(); };
  request.dropped = &dropped;
  result = send(&request, hash.octets());
  result.location = "s3://" + options_.bucket + "/" + options_.prefix + key;
  return result;
}

std::string ClaimS3::remove(const std::string& key) {
  http::AwsRequest request;
  if (std::string why = prepare(&request, key); !why.empty()) return why;
  request.verb = http::AwsRequest::Verb::remove;
  request.headers.push_back(std::string("x-amz-content-sha256: ") + kOfNothing);
  const http::AwsAnswer answer = client_.ask(request);
  if (!answer.why.empty()) return answer.why;
  return is_good(answer.status) || answer.status == 404 ? std::string() : fault_of(answer);
}

std::string ClaimS3::probe() {
  const std::string key = "check-" + random_tag();
  constexpr std::string_view kText = "check";
  http::AwsRequest request;
  if (std::string why = prepare(&request, key); !why.empty()) return why;
  request.verb = http::AwsRequest::Verb::put;
  request.size = kText.size();
  bool given = false;
  request.read = [&] { return std::exchange(given, true) ? std::string_view() : kText; };
  request.rewind = [&] {
    given = false;
    return true;
  };
  mail_json::Sha256 hash;
  hash.add(kText);
  if (std::string why = send(&request, hash.octets()).why; !why.empty()) return "PUT: " + why;
  if (std::string why = remove(key); !why.empty()) return "DELETE: " + why;
  return {};
}

std::string ClaimS3::list(const std::function<void(const StoredObject&)>& visit) {
  std::string token;
  do {
    if (std::string why = list_some(&token, visit); !why.empty()) return why;
  } while (!token.empty());
  return {};
}

std::string ClaimS3::list_some(std::string* token,
                               const std::function<void(const StoredObject&)>& visit) {
  http::AwsRequest request;
  if (std::string why = prepare(&request, {}); !why.empty()) return why;
  request.url += "?";
  if (!token->empty())
    request.url += "continuation-token=" + percent_encoded_parameter(*token) + "&";
  request.url += "list-type=2&max-keys=" + std::to_string(kListed) +
                 "&prefix=" + percent_encoded_parameter(options_.prefix);
  request.headers.push_back(std::string("x-amz-content-sha256: ") + kOfNothing);
  request.most_answer = kMostList;
  const http::AwsAnswer answer = client_.ask(request);
  if (!answer.why.empty()) return answer.why;
  if (!is_good(answer.status)) return fault_of(answer);
  *token = read_list(answer.body, options_.prefix, visit);
  return {};
}

std::string read_list(std::string_view answer, std::string_view prefix,
                      const std::function<void(const StoredObject&)>& visit) {
  const std::string token(element(answer, "NextContinuationToken"));
  const bool more = element(answer, "IsTruncated") == "true";
  constexpr std::string_view kBegin = "<Contents>";
  for (std::size_t at = 0; (at = answer.find(kBegin, at)) != std::string_view::npos;
       at += kBegin.size()) {
    const std::string_view one = element(answer.substr(at), "Contents");
    const std::string_view key = element(one, "Key");
    const std::string_view size = element(one, "Size");
    const std::time_t time = time_of(element(one, "LastModified"));
    // An entity in a key: it is none of lsmtpd's.
    if (!key.starts_with(prefix) || key.find('&') != std::string_view::npos || time == 0) continue;
    StoredObject object;
    object.key = std::string(key.substr(prefix.size()));
    std::from_chars(size.data(), size.data() + size.size(), object.size);
    object.age_s = static_cast<std::int64_t>(std::time(nullptr) - time);
    visit(object);
  }
  return more ? token : std::string();
}

std::string parse_s3_url(std::string_view url, S3Options* options) {
  if (!url.starts_with("https://") && !url.starts_with("http://"))
    return "begins with https:// or http://";
  const std::size_t path = url.find('/', url.find("://") + 3);
  const std::string_view rest =
      path == std::string_view::npos ? std::string_view() : url.substr(path + 1);
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const bool plain = std::all_of(url.begin(), url.end(), [](unsigned char c) {
    return c > ' ' && c < 0x7f &&
           std::string_view("?#%@\"<>\\^`{|}+&'").find(static_cast<char>(c)) ==
               std::string_view::npos;
  });
  if (!plain) return "has a character that none of host, bucket and prefix may have";
  if (end == 0) return "names no bucket: write https://HOST/BUCKET or https://HOST/BUCKET/PREFIX";
  options->endpoint = std::string(url.substr(0, path));
  options->bucket = std::string(rest.substr(0, end));
  options->prefix = end == rest.size() ? std::string() : std::string(rest.substr(end + 1));
  if (!options->prefix.empty() && options->prefix.back() != '/') options->prefix += '/';
  return {};
}

}  // namespace lsmtpd::sink
