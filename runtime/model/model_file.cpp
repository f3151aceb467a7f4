#include "runtime/model/model_file.hpp"

#include "messages/engine_kind.hpp"
#include "runtime/model/catalogue.hpp"
#include "runtime/model/zip_listing.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <openssl/evp.h>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tayfa {

namespace {

/// When false, errno is 0 if the file has ended.
bool read_exactly(int descriptor, std::uint64_t offset, std::span<char> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = ::pread(descriptor, into.data() + done, into.size() - done,
                             static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      errno = got == 0 ? 0 : errno;
      return false;
    }
    done += static_cast<std::size_t>(got);
  }
  return true;
}

std::string why_not(const char* what, int number) {
  return std::string{what} + ": " + std::strerror(number);
}

/// The error for a failed read: without an errno the file is too short, otherwise the disk or the
/// network has failed.
tl::unexpected<error> unreadable(int number) {
  if (number == 0 || number == EISDIR || number == EINVAL) {
    return fail(errc::model_invalid, "the file cannot be read");
  }
  return fail(number == ENOMEM || number == EAGAIN ? errc::unavailable : errc::io_error,
              why_not("the file cannot be read", number));
}

std::string hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

/// Describes a file that is no zip archive by its first 16 bytes, and suggests a remedy.
std::string what_else(std::string_view head) {
  constexpr std::string_view remedy =
      "; this engine runs TorchScript (.pt) and AOTInductor (.pt2) files";
  const auto first = static_cast<unsigned char>(head[0]);
  std::string_view what = "it is neither a TorchScript nor an AOTInductor archive";
  if (first == 0x80 && head[1] >= 2 && head[1] <= 5) {
    what = "it is a pickle, which is never loaded";
  } else if (head[8] == '{' && head[5] == 0 && head[6] == 0 && head[7] == 0) {
    what = "it is a safetensors file: weights without a program";
  } else if (first == 0x08 && head[1] > 0 && head[1] < 32 && (head[2] == 0x12 || head[2] == 0x1a)) {
    what = "it looks like an ONNX model";
  } else if (head.starts_with("GGUF")) {
    what = "it is a GGUF file: weights without a program";
  } else if (head.starts_with("\x89HDF\r\n")) {
    what = "it is an HDF5 file (Keras)";
  } else if (head.starts_with("version https://")) {
    what = "it is a Git LFS pointer, not the file itself: git lfs pull fetches it";
  }
  return std::string{what}.append(remedy);
}

/// Members of an archive, relative to its first member's top folder, where libtorch looks.
struct archive_marks {
  std::string root;
  bool constants = false;
  bool code = false;
  bool pickle = false;
  bool format = false;
  bool inductor = false;
  bool exported = false;

  void see(std::string_view name) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) {
      return;
    }
    if (root.empty()) {
      root = name.substr(0, slash);
    }
    if (name.substr(0, slash) != root) {
      return;
    }
    const auto rest = name.substr(slash + 1);
    constants = constants || rest == "constants.pkl";
    pickle = pickle || rest == "data.pkl";
    code = code || rest.starts_with("code/");
    format = format || rest == "archive_format";
    inductor = inductor || rest.starts_with("data/aotinductor/");
    exported = exported || (rest.starts_with("models/") && rest.ends_with(".json")) ||
               rest == "serialized_exported_program.json";
  }
};

} // namespace

result<model_file> model_file::open(const std::string& path, std::uint64_t limit) {
  // O_NONBLOCK: opening a pipe without a writer must not block.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    switch (errno) {
    case ENOENT:
    case ENOTDIR: return fail(errc::model_invalid, "there is no such file");
    case ELOOP: return fail(errc::model_invalid, "its symbolic links lead nowhere");
    case EACCES: return fail(errc::model_invalid, "there is no permission to read it");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return fail(errc::unavailable, why_not("it cannot be opened now", errno));
    case EIO:
    case ESTALE:
    case ENOTCONN:
    case ETIMEDOUT: return fail(errc::io_error, why_not("it cannot be opened", errno));
    default: return fail(errc::model_invalid, why_not("it cannot be opened", errno));
    }
  }
  model_file file{unique_fd{descriptor}};
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return fail(errc::model_invalid, "it is not a regular file");
  }
  file.size_ = static_cast<std::uint64_t>(facts.st_size);
  file.modified_ = facts.st_mtim;
  file.changed_ = facts.st_ctim;
  if (file.size_ == 0) {
    return fail(errc::model_invalid, "it is empty");
  }
  if (file.size_ > limit) {
    return fail(errc::model_invalid, "it is larger than " + std::to_string(limit) + " bytes");
  }
  return file;
}

std::string model_file::pinned_path() const {
  return "/proc/self/fd/" + std::to_string(file_.get());
}

result<std::string> model_file::read_all() const {
  std::string text(size_, '\0');
  if (!read_exactly(file_.get(), 0, text)) {
    return unreadable(errno);
  }
  return text;
}

result<std::string> model_file::kind() const {
  std::array<char, 16> head{};
  if (!read_exactly(file_.get(), 0, std::span{head}.first(std::min<std::uint64_t>(size_, 16)))) {
    return unreadable(errno);
  }
  if (!std::string_view{head.data(), 4}.starts_with("PK\x03\x04")) {
    return fail(errc::model_invalid, what_else(std::string_view{head.data(), head.size()}));
  }
  archive_marks marks;
  const auto listed = list_zip(
      size_, [this](auto offset, auto into) { return read_exactly(file_.get(), offset, into); },
      [&marks](std::string_view name) { marks.see(name); });
  if (!listed) {
    return fail(listed.error());
  }
  const bool script = marks.constants && marks.code;
  const bool package = marks.format && marks.inductor;
  if (script && package) {
    return fail(errc::model_invalid, "it claims to be TorchScript and AOTInductor at once");
  }
  if (script || package) {
    return std::string{script ? torchscript_model : aot_inductor_model};
  }
  if (marks.exported && marks.format) {
    return fail(errc::model_invalid,
                "it holds an exported program (torch.export.save), which is not compiled yet: "
                "torch._inductor.aoti_compile_and_package(torch.export.load(FILE), "
                "package_path=NEW) makes a package that runs");
  }
  if (marks.pickle) {
    return fail(errc::model_invalid,
                "it holds pickled weights (torch.save), not a program: make one with "
                "torch.jit.script(model).save(NEW), or torch.export and "
                "torch._inductor.aoti_compile_and_package");
  }
  return fail(errc::model_invalid, "it is a zip archive, but no TorchScript or AOTInductor one");
}

result<std::string> model_file::sha256() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free};
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return fail(errc::internal, "SHA-256 is not available");
  }
  std::vector<char> chunk(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < size_;) {
    const auto part = std::span{chunk}.first(std::min<std::uint64_t>(chunk.size(), size_ - at));
    if (!read_exactly(file_.get(), at, part)) {
      return unreadable(errno);
    }
    if (EVP_DigestUpdate(context.get(), part.data(), part.size()) != 1) {
      return fail(errc::internal, "SHA-256 failed");
    }
    at += part.size();
  }
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1 || length != digest.size()) {
    return fail(errc::internal, "SHA-256 failed");
  }
  return hex(digest);
}

result<void> model_file::matches(const model_manifest& manifest) const {
  const auto found = kind();
  if (!found) {
    return fail(found.error());
  }
  if (*found != manifest.kind) {
    return fail(errc::model_invalid,
                "its content is " + *found + ", the manifest says " + manifest.kind);
  }
  const auto digest = sha256();
  if (!digest) {
    return fail(digest.error());
  }
  if (*digest != manifest.sha256) {
    return fail(errc::model_invalid, "its SHA-256 is not the one in the manifest");
  }
  if (!unchanged()) {
    return fail(errc::model_invalid, "it was changed while it was read");
  }
  return {};
}

bool model_file::unchanged() const {
  struct stat facts {};
  const auto same = [](const std::timespec& a, const std::timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return ::fstat(file_.get(), &facts) == 0 && static_cast<std::uint64_t>(facts.st_size) == size_ &&
         same(facts.st_mtim, modified_) && same(facts.st_ctim, changed_);
}

} // namespace tayfa
