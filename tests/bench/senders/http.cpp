// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 by libcurl: one POST a message, on WINDOW kept connections. URL and TARGET together are
// the address.
#include <curl/curl.h>

#include <deque>
#include <memory>

#include "bare_sender.hpp"

namespace {

class Sender {
 public:
  explicit Sender(const bare_sender::Work& work) : work_(work) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, work.window);
    const std::string address = work.url + work.target;
    for (long i = 0; i < work.window; ++i) {
      CURL* easy = requests_.emplace_back(curl_easy_init(), curl_easy_cleanup).get();
      curl_easy_setopt(easy, CURLOPT_URL, address.c_str());
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, work.body.data());
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(work.body.size()));
      curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    }
  }

  long run() {
    for (const auto& request : requests_) send(request.get());
    while (settled_ < work_.count) {
      int running = 0;
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK)
        throw std::runtime_error("libcurl failed");
      take_answers();
      if (settled_ < work_.count) curl_multi_poll(multi_.get(), nullptr, 0, 1000, nullptr);
    }
    return accepted_;
  }

 private:
  void send(CURL* easy) {
    if (sent_ == work_.count) return;
    ++sent_;
    curl_multi_add_handle(multi_.get(), easy);
  }

  void take_answers() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      if (message->data.result == CURLE_OK && status / 100 == 2) ++accepted_;
      ++settled_;
      curl_multi_remove_handle(multi_.get(), easy);
      send(easy);
    }
  }

  const bare_sender::Work& work_;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers_{
      curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/json"), "Expect:"),
      curl_slist_free_all};
  std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi_{curl_multi_init(), curl_multi_cleanup};
  std::deque<std::unique_ptr<CURL, void (*)(CURL*)>> requests_;
  long sent_ = 0, settled_ = 0, accepted_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bare_sender::run_sender<Sender>(count, arguments);
}
