#include "runtime/access/key_gate.hpp"

#include "runtime/access/key_file.hpp"
#include "runtime/access/key_maker.hpp"
#include "runtime/base/words.hpp"
#include "runtime/config/address.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::access {

namespace {

constexpr std::string_view blanks = " \t";

bool begins_with_bearer(std::string_view text) {
  constexpr std::string_view word = "bearer";
  return text.size() > word.size() && blanks.find(text[word.size()]) != std::string_view::npos &&
         text::istarts_with(text, word);
}

/// The owner of the rate bucket: the key, else the address.
std::string asker(const api::access_request& request, const api::principal& who) {
  return who.name.empty() ? "address " + network_of(request.address) : "key " + who.name;
}

tl::unexpected<api::gate::refusal> refused(errc code, std::string text = {},
                                           std::uint32_t wait_s = 0) {
  return tl::unexpected<api::gate::refusal>(api::gate::refusal{{code, std::move(text)}, wait_s});
}

/// True when the key still sees everything that its request was opened for; route, endpoint and
/// scope are judged separately.
bool sees_as_much(const api::principal& now, const api::principal& before) {
  return now.is_operator ||
         (!before.is_operator && (now.tenant.empty() || now.tenant == before.tenant));
}

} // namespace

std::string_view key_in(std::string_view authorization) {
  const auto text = text::trimmed(authorization, blanks);
  return begins_with_bearer(text) ? text::trimmed(text.substr(6), blanks) : text;
}

key_gate::key_gate(key_ring ring, rate_rules rules, const time_source& time)
    : ring_(std::move(ring)), rates_(std::move(rules)), time_(time) {}

key_gate::verdict key_gate::judge(const access_key* key, const api::access_request& request) const {
  if (key == nullptr) {
    return refused(errc::unauthorized);
  }
  if (!opens(*key, request.needs)) {
    return refused(errc::forbidden, "the key has the scope " + scopes_text(*key));
  }
  if (!reaches(*key, request.endpoint)) {
    return refused(errc::forbidden, "the key is for other endpoints");
  }
  if (request.needs == api::scope::worker && bound_to_a_tenant(*key)) {
    return refused(errc::forbidden,
                   "the key belongs to a tenant, and a worker runs the jobs of all tenants");
  }
  if (const auto may = may_be_worker(*key, ring_.keys(), request.endpoint, request.worker); !may) {
    return refused(errc::forbidden, may.error().text);
  }
  return api::principal{key->name, key->tenant, key->is_operator, key->endpoints, key->digest};
}

key_gate::verdict key_gate::identify(const api::access_request& request) const {
  if (request.needs == api::scope::open) {
    return api::principal{{}, {}, false};
  }
  if (!ring_.in_force()) {
    return api::principal{};
  }
  return judge(ring_.find(key_in(request.authorization)), request);
}

std::uint64_t key_gate::version() {
  ring_.refresh();
  return ring_.version();
}

/// A request admitted without a key, because none was needed then, needs one now as well.
std::optional<api::gate::refusal> key_gate::recheck(const api::access_request& request,
                                                    const api::principal& before) {
  if (request.needs == api::scope::open || !ring_.in_force()) {
    return std::nullopt;
  }
  const auto now = judge(before.name.empty() ? nullptr : ring_.find(before.digest), request);
  if (!now) {
    return now.error();
  }
  if (!sees_as_much(*now, before)) {
    return refusal{{errc::forbidden, "the key was changed meanwhile"}, 0};
  }
  return std::nullopt;
}

key_gate::verdict key_gate::admit(const api::access_request& request) {
  ring_.refresh();
  auto who = identify(request);
  if (!who) {
    return who;
  }
  const auto wait_s = rates_.take(request.route, asker(request, *who), time_.now());
  if (wait_s > 0) {
    return refused(errc::rate_limited, {}, wait_s);
  }
  return who;
}

void key_gate::done(const api::access_request& request, const api::principal& who) {
  rates_.done(request.route, asker(request, who));
}

std::string keys_path(const config& knobs) {
  return knobs.http_keys_file.empty() ? knobs.pod_data + "/keys" : knobs.http_keys_file;
}

result<std::unique_ptr<key_gate>> open_gate(const config& knobs, const time_source& time,
                                            event_log& log) {
  auto rules = parse_rates(knobs.http_rate_limits.items());
  if (!rules) {
    return fail(rules.error());
  }
  auto ring = key_ring::open(keys_path(knobs), time, log);
  if (!ring) {
    return fail(errc::bad_config, "the keys file: " + ring.error().text);
  }
  if (!ring->in_force() && !knobs.http_keys_file.empty()) {
    return fail(errc::bad_config, "http.keys_file: there is no file " + knobs.http_keys_file);
  }
  return std::make_unique<key_gate>(std::move(*ring), std::move(*rules), time);
}

result<std::optional<std::string>> make_first_key(const config& knobs, secret_source& secrets) {
  const auto address = parse_listen_address(knobs.http_listen);
  const auto path = keys_path(knobs);
  if (!knobs.http_first_key || knobs.http_allow_public || !address || address->loopback ||
      stamp_of(path)) {
    return std::nullopt;
  }
  access_key all;
  all.name = "first";
  all.is_operator = true;
  auto made = make_key(path, std::move(all), secrets);
  return made ? result<std::optional<std::string>>{std::move(*made)} : fail(made.error());
}

result<void> may_listen(const config& knobs, std::size_t keys) {
  const auto address = parse_listen_address(knobs.http_listen);
  if (!address) {
    return fail(address.error());
  }
  if (address->loopback || knobs.http_allow_public || keys > 0) {
    return {};
  }
  return fail(errc::bad_config,
              "http.listen is " + knobs.http_listen +
                  ", which other machines can reach, and there is no API key: make one (tayfa key "
                  "new --name NAME --data " +
                  knobs.pod_data +
                  "), have one made at start (http.first_key), or set "
                  "http.allow_public (--allow-public)");
}

} // namespace tayfa::access
