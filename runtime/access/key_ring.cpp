#include "runtime/access/key_ring.hpp"

#include <openssl/crypto.h>
#include <utility>

namespace tayfa::access {

key_ring::key_ring(std::string path, const time_source& time, event_log& log)
    : path_(std::move(path)), time_(&time), log_(&log), looked_(time.now()) {}

result<key_ring> key_ring::open(std::string path, const time_source& time, event_log& log) {
  key_ring ring{std::move(path), time, log};
  auto keys = ring.load();
  if (!keys && keys.error().code == errc::not_found) {
    return ring;
  }
  if (!keys) {
    return fail(keys.error());
  }
  ring.keys_ = std::move(*keys);
  ring.in_force_ = true;
  return ring;
}

result<std::vector<access_key>> key_ring::load() {
  auto file = read_key_file(path_);
  // The version of an unreadable file is recorded too, so that it is reported only once.
  seen_ = file ? std::optional{file->stamp} : stamp_of(path_);
  if (!file) {
    return fail(file.error());
  }
  if (!file->remark.empty()) {
    log_->warn("keys_readable", {{"text", file->remark}});
  }
  auto keys = parse_keys(file->text);
  if (!keys) {
    return fail(keys.error().code, path_ + ", " + keys.error().text);
  }
  return keys;
}

void key_ring::refresh() {
  const moment now = time_->now();
  if (now - looked_ < look_pause) {
    return;
  }
  looked_ = now;
  const auto stamp = stamp_of(path_);
  if (stamp == seen_) {
    return;
  }
  if (!stamp) {
    seen_ = stamp;
    log_->warn("keys_gone", {{"file", path_}, {"keys", keys_.size()}});
    return;
  }
  auto keys = load();
  version_ += in_force_ && !keys ? 0 : 1; // a broken file changes no keys
  in_force_ = true;
  if (!keys) {
    log_->error("keys_refused", {{"text", keys.error().text}, {"keys", keys_.size()}});
    return;
  }
  keys_ = std::move(*keys);
  log_->info("keys_read", {{"file", path_}, {"keys", keys_.size()}});
}

const access_key* key_ring::find(std::string_view key) const {
  if (key.empty() || key.size() > key_bytes_max) {
    return nullptr;
  }
  const auto digest = digest_of(key);
  return digest ? find(*digest) : nullptr;
}

const access_key* key_ring::find(const key_digest& digest) const {
  const access_key* found = nullptr;
  for (const auto& each : keys_) {
    if (CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) == 0) {
      found = &each;
    }
  }
  return found;
}

} // namespace tayfa::access
