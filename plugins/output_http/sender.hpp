// SPDX-License-Identifier: Apache-2.0
// The queue of a lane and its requests under way: one for each connection, as HTTP/1.1 has it.
// [loop]
#pragma once

#include <functional>
#include <http/multi.hpp>
#include <map>
#include <memory>
#include <sink/outlet.hpp>
#include <string>

#include "request.hpp"

namespace lsmtpd::output_http {

class Sender : public sink::Outlet {
 public:
  // The lane.
  class Events {
   public:
    virtual ~Events() = default;
    // True: one request may begin now; not_begun() follows where none did.
    virtual bool admit() = 0;
    virtual void not_begun() = 0;
    // Once for each request that began.
    virtual void request_done(Request& request, CURLcode result) = 0;
  };

  Sender(const sdk::LaneHost& host, sink::Outlet::Owner& lane, Events& events, Shared& shared);
  ~Sender() override;

  std::string name() const override { return options_.origin; }
  bool feed() override;
  // Gives all requests up.
  void connection_lost(std::string_view why) override;
  // Gives those up that `chosen` says.
  void abort(const std::function<bool(const Request&)>& chosen, std::string_view why);

 private:
  bool has_sent() const override { return !requests_.empty(); }
  std::unique_ptr<sink::Source> source(const sink::Part& part,
                                       const sdk::Message& message) const override;
  bool begin(sink::Part* part, sdk::Reservation memory);
  bool start(sink::Part* part, sdk::Reservation memory, sink::Outcome* outcome);
  std::unique_ptr<RequestBody> body_of(const sink::Part& part, Signature* signature);
  std::unique_ptr<RequestBody> small_body(const sink::Part& part, Signature* signature);
  void finished(CURL* easy, CURLcode result);

  const Options& options_;
  Secrets& secrets_;
  Events& events_;
  const std::string user_agent_;
  http::Multi multi_;
  std::map<CURL*, std::unique_ptr<Request>> requests_;
};

}  // namespace lsmtpd::output_http
