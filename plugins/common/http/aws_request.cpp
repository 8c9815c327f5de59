// SPDX-License-Identifier: Apache-2.0
#include "aws_request.hpp"

#ifdef LSMTPD_CURL_HEADERS
#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "peer_tls.hpp"
#endif

namespace lsmtpd::http {

#ifdef LSMTPD_CURL_HEADERS

namespace {

constexpr long kConnectTimeoutMs = 10'000;

// The functions of libcurl that are used here.
struct Curl {
  std::string why;  // it could not be loaded
  decltype(&::curl_easy_init) init = nullptr;
  decltype(&::curl_easy_cleanup) cleanup = nullptr;
  decltype(&::curl_easy_reset) reset = nullptr;
  CURLcode (*setopt)(CURL*, CURLoption, ...) = nullptr;
  CURLcode (*getinfo)(CURL*, CURLINFO, ...) = nullptr;
  decltype(&::curl_easy_perform) perform = nullptr;
  decltype(&::curl_easy_strerror) text = nullptr;
  decltype(&::curl_slist_append) append = nullptr;
  decltype(&::curl_slist_free_all) free_all = nullptr;
  decltype(&::curl_global_init) global_init = nullptr;

  // Never unloaded: OpenSSL calls into it at the end of threads.
  Curl() {
    void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
      why = "libcurl.so.4 cannot be loaded (Debian: libcurl4)";
      return;
    }
    find(library, "curl_easy_init", &init);
    find(library, "curl_easy_cleanup", &cleanup);
    find(library, "curl_easy_reset", &reset);
    find(library, "curl_easy_setopt", &setopt);
    find(library, "curl_easy_getinfo", &getinfo);
    find(library, "curl_easy_perform", &perform);
    find(library, "curl_easy_strerror", &text);
    find(library, "curl_slist_append", &append);
    find(library, "curl_slist_free_all", &free_all);
    find(library, "curl_global_init", &global_init);
    if (why.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
      why = "libcurl cannot be set up";
  }

 private:
  template <class Function>
  void find(void* library, const char* name, Function* out) {
    *out = reinterpret_cast<Function>(::dlsym(library, name));
    if (*out == nullptr && why.empty()) why = std::string("libcurl has no ") + name;
  }
};

const Curl& curl() {
  static const Curl kLoaded;
  return kLoaded;
}

// Shared by the callbacks of one request.
struct Transfer {
  const AwsRequest& request;
  std::string_view rest;  // of what read() gave
  std::uint64_t given = 0;
  std::string body;
};

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  if (self.rest.empty()) self.rest = self.request.read();
  if (self.rest.empty() && self.given < self.request.size) return CURL_READFUNC_ABORT;
  const std::size_t taken = self.rest.copy(out, size * count);
  self.given += taken;
  self.rest.remove_prefix(taken);
  return taken;
}

int on_seek(void* data, curl_off_t offset, int origin) {
  auto& self = *static_cast<Transfer*>(data);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  self.rest = {};
  self.given = 0;
  return self.request.rewind() ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& self = *static_cast<Transfer*>(data);
  const std::size_t room = self.request.most_answer - self.body.size();
  self.body.append(bytes, std::min(room, size * count));
  return size * count;
}

int on_progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* dropped = static_cast<Transfer*>(data)->request.dropped;
  return dropped != nullptr && *dropped ? 1 : 0;
}

class Call {
 public:
  Call(CURL* easy, const AwsPeer& peer, const AwsRequest& request)
      : easy_(easy), request_(request), transfer_{request, {}, 0, {}} {
    curl().reset(easy_);
    set_common(peer);
    set_tls(peer.tls, [this](CURLoption option, auto value) { set(option, value); });
    set_verb();
    for (const std::string& line : request.headers) add(line.c_str());
    add("Expect:");
    set(CURLOPT_HTTPHEADER, headers_);
  }
  ~Call() { curl().free_all(headers_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  AwsAnswer run() {
    AwsAnswer answer;
    const CURLcode result = curl().perform(easy_);
    if (result != CURLE_OK) {
      answer.why = error_[0] != '\0' ? error_ : curl().text(result);
      return answer;
    }
    curl().getinfo(easy_, CURLINFO_RESPONSE_CODE, &answer.status);
    answer.body = std::move(transfer_.body);
    return answer;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl().setopt(easy_, option, value);
  }
  void add(const char* line) {
    if (curl_slist* longer = curl().append(headers_, line)) headers_ = longer;
  }

  void set_common(const AwsPeer& peer) {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_PROXY, "");  // whatever the environment says
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &transfer_);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, &transfer_);
    const std::string provider = "aws:amz:" + peer.region + ":" + peer.service;
    set(CURLOPT_AWS_SIGV4, provider.c_str());
    set(CURLOPT_USERNAME, request_.access_key.c_str());
    set(CURLOPT_PASSWORD, request_.secret_key.c_str());
  }

  void set_verb() {
    if (request_.verb == AwsRequest::Verb::remove) set(CURLOPT_CUSTOMREQUEST, "DELETE");
    if (request_.verb != AwsRequest::Verb::put) return;
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.size));
    set(CURLOPT_READFUNCTION, &on_read);
    set(CURLOPT_READDATA, &transfer_);
    set(CURLOPT_SEEKFUNCTION, &on_seek);
    set(CURLOPT_SEEKDATA, &transfer_);
  }

  CURL* easy_;
  const AwsRequest& request_;
  Transfer transfer_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace

struct AwsClient::Handles {
  std::mutex mutex;
  std::vector<CURL*> idle;
};

AwsClient::AwsClient(AwsPeer peer) : peer_(std::move(peer)), handles_(new Handles) {}

AwsClient::~AwsClient() {
  for (CURL* easy : handles_->idle) curl().cleanup(easy);
}

std::string AwsClient::missing() {
  return curl().why;
}

AwsAnswer AwsClient::ask(const AwsRequest& request) {
  AwsAnswer answer;
  answer.why = missing();
  if (!answer.why.empty()) return answer;
  CURL* easy = nullptr;
  {
    const std::lock_guard lock(handles_->mutex);
    if (!handles_->idle.empty()) {
      easy = handles_->idle.back();
      handles_->idle.pop_back();
    }
  }
  if (easy == nullptr) easy = curl().init();
  if (easy == nullptr) {
    answer.why = "libcurl has no memory";
    return answer;
  }
  answer = Call(easy, peer_, request).run();
  const std::lock_guard lock(handles_->mutex);
  handles_->idle.push_back(easy);
  return answer;
}

#else

struct AwsClient::Handles {};

AwsClient::AwsClient(AwsPeer peer) : peer_(std::move(peer)) {}
AwsClient::~AwsClient() = default;

std::string AwsClient::missing() {
  return "libcurl was not there when lsmtpd was built";
}

AwsAnswer AwsClient::ask(const AwsRequest&) {
  AwsAnswer answer;
  answer.why = missing();
  return answer;
}

#endif

}  // namespace lsmtpd::http
