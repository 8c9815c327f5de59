// SPDX-License-Identifier: Apache-2.0
// The body of a request: small ones lie in memory, large ones come from a Producer, buffer by
// buffer. Both can begin again, for a kept connection that was found closed. [loop]
#pragma once

#include <cstdint>
#include <functional>
#include <http/exchange.hpp>
#include <memory>
#include <sink/producer.hpp>
#include <sink/source.hpp>
#include <string>

#include "webhook.hpp"

namespace lsmtpd::output_http {

// The values of webhook-timestamp and webhook-signature; empty: not signed.
struct Signature {
  std::uint64_t timestamp = 0;
  std::string text;
};

// A BodySource that is also signed while it is measured.
class SignedSource : public sink::Source {
 public:
  using MakeSource = std::function<std::unique_ptr<sink::Source>()>;

  // `make` gives a source of the same bytes, each time. Nothing is signed where there are no keys.
  SignedSource(MakeSource make, std::vector<Key> keys, std::string id, std::uint64_t timestamp)
      : make_(std::move(make)), keys_(std::move(keys)), id_(std::move(id)), timestamp_(timestamp) {}

  bool prepare() override;
  std::uint64_t size() const override { return source_->size(); }
  std::int64_t produce(char* out, std::size_t room) override { return source_->produce(out, room); }
  // Once prepared.
  const Signature& signature() const { return signature_; }

 private:
  bool sign();

  MakeSource make_;
  std::vector<Key> keys_;
  std::string id_;
  std::uint64_t timestamp_;
  std::unique_ptr<sink::Source> source_;
  Signature signature_;
};

// Notes when the whole body was given away: from then on the server may have the message.
class RequestBody : public http::Exchange::Body {
 public:
  std::int64_t read(char* out, std::size_t room) final;
  bool whole() const { return whole_ || size() == 0; }  // stays true over a rewind()
  bool broken() const { return broken_; }
  virtual std::uint64_t size() const = 0;

 protected:
  // As Body::read().
  virtual std::int64_t next(char* out, std::size_t room) = 0;
  void restart() { given_ = 0; }

 private:
  std::uint64_t given_ = 0;
  bool whole_ = false;
  bool broken_ = false;
};

class MemoryBody : public RequestBody {
 public:
  explicit MemoryBody(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  bool rewind() override;

 private:
  std::int64_t next(char* out, std::size_t room) override;
  const std::string bytes_;
  std::size_t at_ = 0;
};

class ProducedBody : public RequestBody {
 public:
  using MakeProducer = std::function<std::shared_ptr<sink::Producer>()>;

  // `producer` is prepared; `again` makes one of the same bytes. Both tell the owner of each step,
  // which calls go_on().
  ProducedBody(std::shared_ptr<sink::Producer> producer, MakeProducer again)
      : size_(producer->size()), producer_(std::move(producer)), again_(std::move(again)) {}
  ~ProducedBody() override { producer_->forget(); }
  std::uint64_t size() const override { return size_; }
  bool rewind() override;
  // True: read() said kLater, and has more to say now.
  bool go_on();

 private:
  std::int64_t next(char* out, std::size_t room) override;

  const std::uint64_t size_;
  std::shared_ptr<sink::Producer> producer_;
  MakeProducer again_;
  bool waiting_ = false;
};

}  // namespace lsmtpd::output_http
