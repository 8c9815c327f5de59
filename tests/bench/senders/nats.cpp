// SPDX-License-Identifier: Apache-2.0
// NATS JetStream by libnats. URL: nats://HOST:PORT; TARGET: a subject of a stream.
#include <nats/nats.h>

#include <atomic>
#include <memory>

#include "bare_sender.hpp"

namespace {

void expect(natsStatus status) {
  if (status != NATS_OK) throw std::runtime_error(natsStatus_GetText(status));
}

class Sender {
 public:
  explicit Sender(const bare_sender::Work& work) : work_(work) {
    expect(natsConnection_ConnectTo(&connection_, work.url.c_str()));
    jsOptions options;
    expect(jsOptions_Init(&options));
    options.PublishAsync.MaxPending = work.window;  // publishing waits when so many are unconfirmed
    options.PublishAsync.StallWait = kLongestWaitMs;
    options.PublishAsync.ErrHandler = [](jsCtx*, jsPubAckErr*, void* self) {
      ++static_cast<Sender*>(self)->failed_;
    };
    options.PublishAsync.ErrHandlerClosure = this;
    expect(natsConnection_JetStream(&stream_, connection_, &options));
  }
  ~Sender() {
    jsCtx_Destroy(stream_);
    natsConnection_Destroy(connection_);
    nats_Close();
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  long run() {
    for (long number = 0; number < work_.count; ++number) {
      const std::string id = bare_sender::message_id(number);
      jsPubOptions options;
      expect(jsPubOptions_Init(&options));
      options.MsgId = id.c_str();
      options.MaxWait = kLongestWaitMs;
      expect(js_PublishAsync(stream_, work_.target.c_str(), work_.body.data(),
                             static_cast<int>(work_.body.size()), &options));
    }
    jsPubOptions options;
    expect(jsPubOptions_Init(&options));
    options.MaxWait = kLongestWaitMs;
    expect(js_PublishAsyncComplete(stream_, &options));
    return work_.count - failed_;
  }

 private:
  static constexpr int64_t kLongestWaitMs = 60'000;

  const bare_sender::Work& work_;
  natsConnection* connection_ = nullptr;
  jsCtx* stream_ = nullptr;
  std::atomic<long> failed_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bare_sender::run_sender<Sender>(count, arguments);
}
