// SPDX-License-Identifier: Apache-2.0
// The last step of a reload: there is no way back once it has begun.
#include "app/certificates.hpp"
#include "app/layer_settings.hpp"
#include "app/process.hpp"
#include "app/reload.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

namespace {

bool same_log(const config::Log& a, const config::Log& b) {
  return a.level == b.level && a.format == b.format && a.file == b.file &&
         a.addresses == b.addresses;
}

}  // namespace

void Reload::commit() {
  patience_.disarm();
  const auto& config = next_->config;
  if (auto status = take_certificates(); !status) {
    fail_with(status.error().message, config.tls.given["certificates"]);
    return;
  }
  if (!same_log(running_.configured->config.log, config.log)) {
    if (auto status = log::open(log_settings(config.log)); !status) {
      fail_with(status.error().message, config.log.given["file"]);
      return;
    }
  }
  committing_ = true;
  for (auto* change : prepared_) change->instance->commit();
  for (auto& change : next_->setup.changes()) change.instance->change_settings(change.settings);
  commit_limits();
  workers_left_ = running_.workers.size();
  for (const auto& worker : running_.workers) {
    worker->adopt([this, &loop = running_.loop] {
      loop.post([this] {
        if (--workers_left_ == 0) adopted();
      });
    });
  }
}

// Sessions that are established keep what they have.
Status Reload::take_certificates() {
  const auto& tls = next_->config.tls;
  if (tls.certificates.empty()) return {};
  if (tls_settings(tls) != tls_settings(running_.configured->config.tls))
    return running_.certificates.load(tls_settings(tls));
  renew_certificates(running_.certificates);
  return {};
}

void Reload::commit_limits() {
  const auto& config = next_->config;
  running_.peers->set_limits(peer_limits(config));
  auto& resources = running_.configured->setup.resources();
  resources.message_size = config.limits.message_size;
  resources.memory.set_limit(config.limits.memory);
  resources.spill.set_limit(config.limits.spill);
  running_.tls_room.memory.set_limit(config.limits.tls_memory);
  resources.spill_files.set_limit(descriptors_for_spill(config.limits.connections));
}

void Reload::adopted() {
  running_.generations.put_in_force(generation_->number, next_->config.timeouts.reload);
  running_.addresses.clear();
  for (const auto& listener : next_->config.listeners)
    running_.addresses.insert(listener_address(listener));
  for (auto& bound : bound_) {
    const std::string address = bound.address;
    if (auto status = listen(running_.workers, std::move(bound)); !status) {
      log::error("cannot_listen", {{"why", status.error().message}});
      running_.addresses.erase(address);  // the next reload tries again
    }
  }
  running_.configured = std::move(next_);
  succeeded_ = true;
  finish();
}

}  // namespace lsmtpd::app
