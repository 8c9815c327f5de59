// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface on lsmtpd.loop/1: curl says which sockets and which time it waits for,
// the lane's loop waits. One a lane, [loop] only. No thread, no blocking: the same pattern serves
// any library with a non-blocking interface.
#pragma once

#include <curl/curl.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <functional>
#include <map>

namespace lsmtpd::http {

// For the process, once for each instance: start() before anything else here. [main]
bool start();
void stop();

class Multi {
 public:
  // `done` gets each easy handle that is finished, with its result; it may remove() it. At most so
  // many connections are kept for further requests; 0: as libcurl likes.
  Multi(const sdk::LaneHost& host, std::function<void(CURL*, CURLcode)> done, long kept = 0);
  ~Multi();  // all handles must have been removed
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  bool add(CURL* easy) { return curl_multi_add_handle(multi_, easy) == CURLM_OK; }
  // Not from inside a callback of curl's, here and below.
  void remove(CURL* easy) { curl_multi_remove_handle(multi_, easy); }
  // Goes on with a request whose read callback paused it; its callbacks are called inside.
  void resume(CURL* easy) { curl_easy_pause(easy, CURLPAUSE_CONT); }

 private:
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long ms, void* self);
  void act(curl_socket_t fd, int events);

  sdk::LaneHost host_;
  std::function<void(CURL*, CURLcode)> done_;
  CURLM* multi_;
  sdk::Timer timer_;
  std::map<curl_socket_t, sdk::Watch> watches_;
};

}  // namespace lsmtpd::http
