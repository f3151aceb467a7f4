#include "runtime/pods/digest.hpp"

#include <new>
#include <openssl/evp.h>

namespace tayfa::pods {

struct sha256::state {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  state() {
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
      EVP_MD_CTX_free(context);
      throw std::bad_alloc{}; // the only way in which it can fail here
    }
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() { EVP_MD_CTX_free(context); }
};

sha256::sha256() : state_(std::make_unique<state>()) {}
sha256::sha256(sha256&&) noexcept = default;
sha256& sha256::operator=(sha256&&) noexcept = default;
sha256::~sha256() = default;

void sha256::add(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context, digest, &length);
  return {reinterpret_cast<const char*>(digest), length};
}

std::string sha256::of(std::string_view text) {
  sha256 all;
  all.add(text);
  return all.finish();
}

} // namespace tayfa::pods
