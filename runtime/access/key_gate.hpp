// The gate with keys and rates: who may ask for what, and how often.
//
// Owned by the composition root; outlives the server, on whose thread it is asked. Without a keys
// file everybody may do everything, as often as the rates allow one address.
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

  tl::expected<api::principal, refusal> admit(const api::visit&) override;
  /// `visit` needs only what it is about (route, address); its authorization may be forgotten.
  void done(const api::visit&, const api::principal&) override;
  std::uint64_t version() override;
  std::optional<refusal> recheck(const api::visit&, const api::principal&) override;
  bool needs_keys() const override { return ring_.in_force(); }

  /// Keys in force at this moment.
  std::size_t keys() const { return ring_.size(); }

 private:
  using verdict = tl::expected<api::principal, refusal>;
  verdict identify(const api::visit&) const;
  /// What a key (null: none that is known) may do. Asked when a request comes, and again while it
  /// is open: whatever a key does not allow must be said here.
  verdict judge(const access_key* key, const api::visit&) const;

  key_ring ring_;
  rate_limiter rates_;
  const time_source& time_;
};

/// The key that the header Authorization brings: "Bearer <key>" in any case, or the bare key, as
/// RunPod takes both.
std::string_view key_in(std::string_view authorization);

/// http.keys_file, or where it is by default: <pod.data>/keys.
std::string keys_path(const config&);

/// errc::bad_config naming the knob when the keys file or the rates are broken, or a file that is
/// named is not there. `time` and `log` outlive the gate.
result<std::unique_ptr<key_gate>> open_gate(const config&, const time_source& time, event_log& log);

/// With http.first_key, where other machines reach the pod, nobody has allowed them to do so
/// without a key, and there is no keys file: makes one with an operator's key, whose text comes
/// back, to be shown once. Nothing where none is needed. As make_key() says.
result<std::optional<std::string>> make_first_key(const config&, secret_source&);

/// errc::bad_config when other machines could reach a pod that asks nobody for a key.
result<void> may_listen(const config&, std::size_t keys);

} // namespace tayfa::access
