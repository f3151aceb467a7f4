#include "runtime/pods_net/allow_list.hpp"

#include "runtime/base/text.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/join_string.hpp"

#include <algorithm>

namespace tayfa::pods {

namespace {

bool is_word(std::string_view text, std::size_t most, std::string_view also = {}) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || also.find(c) != std::string_view::npos;
  });
}

tl::unexpected<error> malformed(std::string text) {
  return fail(errc::bad_request, std::move(text));
}

result<void> check(const listed_pod& pod) {
  if (!key_bytes(pod.key) || (!pod.next_key.empty() && !key_bytes(pod.next_key))) {
    return malformed("a pod's key is 40 characters of Z85");
  }
  // A text of 40 characters as a name could be taken for a key.
  if (!is_word(pod.name, pod_name_max) || pod.name.size() == curve_key_text) {
    return malformed("a pod's name is 1 to 64 of [A-Za-z0-9._-], and not 40, as a key has: " +
                     text::quoted(pod.name, 80));
  }
  if (!is_word(pod.by, by_max, ":")) {
    return malformed("the name of who decided is 1 to 96 of [A-Za-z0-9._:-]");
  }
  if (pod.key == pod.next_key || (!pod.trusted && !pod.next_key.empty())) {
    return malformed("only a trusted pod has another key announced, and not the one it has");
  }
  return {};
}

result<void> check(const join_token& token) {
  if (!is_token_id(token.id)) {
    return malformed("a token's id is 16 hexadecimal digits");
  }
  if (!key_bytes(token.key) || (!token.used_by.empty() && !key_bytes(token.used_by))) {
    return malformed("a token's keys are 40 characters of Z85");
  }
  if (!is_word(token.by, by_max, ":")) {
    return malformed("the name of who made it is 1 to 96 of [A-Za-z0-9._:-]");
  }
  if (token.expires == 0) {
    return malformed("a token has a time at which it expires");
  }
  return token.used_by.empty() && token.used != 0
             ? malformed("a token that nobody used has no time of its use")
             : result<void>{};
}

tl::unexpected<error> not_listed(std::string_view key_or_name) {
  return fail(errc::not_found, "no pod has the name or key " + text::quoted(key_or_name, 80) +
                                   " (tayfa link list shows them)");
}

} // namespace

// ---- finding ------------------------------------------------------------------------------------

const listed_pod* allow_list::find(std::string_view key_or_name) const {
  const auto found = std::find_if(pods_.begin(), pods_.end(), [&](const listed_pod& pod) {
    return pod.key == key_or_name || pod.name == key_or_name ||
           (!pod.next_key.empty() && pod.next_key == key_or_name);
  });
  return found != pods_.end() ? &*found : nullptr;
}

listed_pod* allow_list::find_pod(std::string_view key_or_name) {
  return const_cast<listed_pod*>(find(key_or_name)); // of this object, which is not const
}

join_token* allow_list::find_token(std::string_view id) {
  const auto found = std::find_if(tokens_.begin(), tokens_.end(),
                                  [&](const join_token& token) { return token.id == id; });
  return found != tokens_.end() ? &*found : nullptr;
}

bool allow_list::has_key(std::string_view key) const {
  return find(key) != nullptr ||
         std::any_of(tokens_.begin(), tokens_.end(),
                     [&](const join_token& token) { return token.key == key; });
}

result<void> allow_list::add_pod(listed_pod pod) {
  if (auto valid = check(pod); !valid) {
    return valid;
  }
  if (find(pod.name) != nullptr) {
    return fail(errc::wrong_state, "the name " + pod.name +
                                       " belongs to another pod; choose another one, or revoke "
                                       "and forget that pod");
  }
  if (has_key(pod.key) || (!pod.next_key.empty() && has_key(pod.next_key))) {
    return fail(errc::wrong_state, "the key of " + pod.name + " is in the list already");
  }
  if (pods_.size() >= listed_pods_max) {
    return fail(errc::quota_exceeded, "the list has " + std::to_string(listed_pods_max) +
                                          " pods, which is the most; forget revoked ones");
  }
  pods_.push_back(std::move(pod));
  return {};
}

// ---- tokens -------------------------------------------------------------------------------------

result<void> allow_list::add_token(join_token token, wall_seconds now) {
  prune(now);
  if (auto valid = check(token); !valid) {
    return valid;
  }
  if (find_token(token.id) != nullptr || has_key(token.key)) {
    return malformed("the token is in the list already");
  }
  if (tokens_.size() >= join_tokens_max) {
    return fail(errc::quota_exceeded, "there are " + std::to_string(join_tokens_max) +
                                          " join tokens, which is the most; they go when they "
                                          "expire");
  }
  tokens_.push_back(std::move(token));
  return {};
}

result<void> allow_list::remove_token(std::string_view id) {
  if (std::erase_if(tokens_, [&](const join_token& token) { return token.id == id; }) == 0) {
    return fail(errc::not_found, "no join token has the id " + text::quoted(id, 40));
  }
  return {};
}

result<void> allow_list::join(std::string_view id, const std::string& key, const std::string& name,
                              wall_seconds now) {
  if (!key_bytes(key)) {
    return malformed("a pod's key is 40 characters of Z85");
  }
  auto* token = find_token(id);
  if (token == nullptr) {
    return fail(errc::unauthorized, "the head does not know this join token (any more); make a new "
                                    "join string there (tayfa link token)");
  }
  if (now >= token->expires) {
    return fail(errc::unauthorized, "the join token has expired; make a new join string at the "
                                    "head (tayfa link token)");
  }
  if (!token->used_by.empty() && token->used_by != key) {
    return fail(errc::unauthorized, "another pod has joined with this token, which is for one; "
                                    "make a new join string at the head (tayfa link token)");
  }
  if (const auto* known = find(key); known != nullptr) {
    if (!known->trusted) {
      return fail(errc::forbidden, "this pod's key is revoked; a token does not change that "
                                   "(tayfa link trust does)");
    }
  } else if (auto added = add_pod({key, name, true, now, "token:" + token->id}); !added) {
    return added;
  }
  if (token->used_by.empty()) {
    token->used_by = key;
    token->used = now;
  }
  return {};
}

void allow_list::prune(wall_seconds now) {
  std::erase_if(tokens_, [&](const join_token& token) { return now >= token.expires; });
}

// ---- pods ---------------------------------------------------------------------------------------

result<void> allow_list::trust(const std::string& key_or_name, const std::string& name,
                               const std::string& by, wall_seconds now) {
  auto* pod = find_pod(key_or_name);
  if (pod == nullptr) {
    return key_bytes(key_or_name) && !name.empty() ? add_pod({key_or_name, name, true, now, by})
                                                   : not_listed(key_or_name);
  }
  if (!name.empty() && name != pod->name) {
    return fail(errc::wrong_state, "the key belongs to the pod " + pod->name);
  }
  auto changed = *pod;
  changed.trusted = true;
  changed.since = now;
  changed.by = by;
  if (auto valid = check(changed); !valid) {
    return valid;
  }
  *pod = pod->trusted ? *pod : std::move(changed);
  return {};
}

result<std::vector<std::string>> allow_list::revoke(const std::string& key_or_name,
                                                    const std::string& by, wall_seconds now) {
  auto* pod = find_pod(key_or_name);
  if (pod == nullptr) {
    return not_listed(key_or_name);
  }
  std::vector<std::string> keys{pod->key};
  if (!pod->next_key.empty()) {
    keys.push_back(pod->next_key);
  }
  auto changed = *pod;
  changed.next_key.clear();
  changed.trusted = false;
  changed.since = now;
  changed.by = by;
  if (auto valid = check(changed); !valid) {
    return fail(valid.error());
  }
  *pod = pod->trusted ? std::move(changed) : *pod;
  return keys;
}

result<void> allow_list::forget(const std::string& key_or_name) {
  const auto* pod = find(key_or_name);
  if (pod == nullptr) {
    return not_listed(key_or_name);
  }
  if (pod->trusted) {
    return fail(errc::wrong_state, "the pod " + pod->name + " is trusted; revoke it first");
  }
  std::erase_if(pods_, [&](const listed_pod& one) { return &one == pod; });
  return {};
}

result<void> allow_list::announce_key(const std::string& key, const std::string& next) {
  auto* pod = find_pod(key);
  if (pod == nullptr || pod->key != key) {
    return not_listed(key);
  }
  if (pod->next_key == next) {
    return {}; // its answer may have been lost
  }
  if (has_key(next)) {
    return fail(errc::wrong_state, "the new key is in the list already");
  }
  auto changed = *pod;
  changed.next_key = next;
  if (auto valid = check(changed); !valid) {
    return valid;
  }
  *pod = std::move(changed);
  return {};
}

result<std::string> allow_list::take_next_key(const std::string& next) {
  const auto found = std::find_if(pods_.begin(), pods_.end(), [&](const listed_pod& pod) {
    return !pod.next_key.empty() && pod.next_key == next;
  });
  if (found == pods_.end()) {
    return not_listed(next);
  }
  auto old = std::exchange(found->key, next);
  found->next_key.clear();
  return old;
}

// ---- what the listener is given -----------------------------------------------------------------

std::shared_ptr<const admitted> allow_list::admitted_at(wall_seconds now) const {
  auto out = std::make_shared<admitted>();
  for (const auto& token : tokens_) {
    if (token.used_by.empty() && now < token.expires) {
      out->keys.emplace(token.key, token.id);
    }
  }
  for (const auto& pod : pods_) {
    if (pod.trusted) {
      out->keys.insert_or_assign(pod.key, std::string{});
      if (!pod.next_key.empty()) {
        out->keys.insert_or_assign(pod.next_key, std::string{});
      }
    }
  }
  return out;
}

std::optional<wall_seconds> allow_list::next_expiry(wall_seconds now) const {
  std::optional<wall_seconds> first;
  for (const auto& token : tokens_) {
    if (token.used_by.empty() && now < token.expires) {
      first = std::min(first.value_or(token.expires), token.expires);
    }
  }
  return first;
}

} // namespace tayfa::pods
