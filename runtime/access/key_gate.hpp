// The access gate: authorizes requests by key, and limits their rates.
//
// Owned by the composition root; outlives the server, on whose thread it is called. Without a keys
// file every client may do everything, within the rates of one address.
#pragma once

#include "runtime/access/key_ring.hpp"
#include "runtime/access/rates.hpp"
#include "runtime/api/gate.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa::access {

class key_gate final : public api::gate {
 public:
  key_gate(key_ring ring, rate_rules rules, const time_source& time);

  tl::expected<api::principal, refusal> admit(const api::access_request&) override;
  /// `request` needs only route and address; its authorization may be gone.
  void done(const api::access_request&, const api::principal&) override;
  std::uint64_t version() override;
  std::optional<refusal> recheck(const api::access_request&, const api::principal&) override;
  bool needs_keys() const override { return ring_.in_force(); }

  /// Number of keys in force.
  std::size_t keys() const { return ring_.size(); }

 private:
  using verdict = tl::expected<api::principal, refusal>;
  verdict identify(const api::access_request&) const;
  /// The permissions of `key` (null: no known key). Called when a request arrives and again while
  /// it is open, so every restriction of a key must be checked here.
  verdict judge(const access_key* key, const api::access_request&) const;

  key_ring ring_;
  rate_limiter rates_;
  const time_source& time_;
};

/// The key in the header Authorization: "Bearer <key>" in any case, or the bare key; RunPod accepts
/// both.
std::string_view key_in(std::string_view authorization);

/// http.keys_file, or by default <pod.data>/keys.
std::string keys_path(const config&);

/// errc::bad_config names the knob when the keys file or the rates are broken, or a configured file
/// is missing. `time` and `log` outlive the gate.
result<std::unique_ptr<key_gate>> open_gate(const config&, const time_source& time, event_log& log);

/// Makes a keys file with an operator's key and returns the key's text, to be shown once: only with
/// http.first_key, when other machines can reach the pod, access without a key is not allowed, and
/// there is no keys file yet. Empty when no key is needed. Errors of make_key().
result<std::optional<std::string>> make_first_key(const config&, secret_source&);

/// errc::bad_config when other machines could reach a pod that requires no key.
result<void> may_listen(const config&, std::size_t keys);

} // namespace tayfa::access
