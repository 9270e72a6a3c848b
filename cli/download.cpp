// SPDX-License-Identifier: Apache-2.0
#include "download.h"

#include "base/sha256.h"
#include "coppice.h"

#ifdef COPPICE_DOWNLOADS
#include <curl/curl.h>

#include <array>
#include <memory>
#endif

namespace coppice::cli {

#ifndef COPPICE_DOWNLOADS

Status download(Env&, const Download& what, const DownloadWatch&) {
  return unsupported(what.url + ": this coppice was built without downloads; fetch it by hand to " +
                     what.path);
}

#else

namespace {

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

// What libcurl's callbacks know. They are C functions: nothing may be thrown through them.
struct Transfer {
  const Download& what;
  const DownloadWatch& watch;
  WriteFile& file;
  uint64_t before = 0, received = 0;  // by earlier calls, by this one
  Status status;                      // why a callback gave up
};

size_t on_data(char* data, size_t one, size_t n, void* with) {
  auto& transfer = *static_cast<Transfer*>(with);
  if (transfer.before + transfer.received + one * n > transfer.what.bytes) {
    transfer.status =
        corrupt(transfer.what.url + ": sends more than the " + std::to_string(transfer.what.bytes) +
                " bytes that belong to it; nothing was kept");
    return 0;
  }
  transfer.status = transfer.file.append(data, one * n);
  if (!transfer.status.ok()) return 0;
  transfer.received += one * n;
  return one * n;
}

int on_progress(void* with, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(with);
  if (transfer.watch.on_progress)
    transfer.watch.on_progress(transfer.before + transfer.received, transfer.what.bytes);
  if (transfer.watch.stop == nullptr || !transfer.watch.stop->load(std::memory_order_relaxed)) return 0;
  transfer.status = {Code::kInterrupted, "interrupted"};
  return 1;
}

void set_options(CURL* curl, Transfer& transfer, char* message) {
  const std::string& url = transfer.what.url;
  // Nobody is led from https to http.
  const bool secure = url.rfind("https:", 0) == 0;
  constexpr long kConnectSeconds = 30, kStillSeconds = 60, kMostRedirects = 5;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS,
                   static_cast<long>(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStillSeconds);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "coppice/" COPPICE_VERSION_STRING);
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.before));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
}

// True where it ended well; false where the server cannot go on in the middle of a file.
Result<bool> transfer_rest(Env& env, const Download& what, const std::string& partial, uint64_t before,
                           const DownloadWatch& watch) {
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  const Curl curl(kStarted == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (!curl) return Status(Code::kIo, "libcurl does not start");
  TRY_ASSIGN(const std::unique_ptr<WriteFile> file,
             env.open_write(partial, before > 0 ? Env::Mode::kAppend : Env::Mode::kTruncate));
  Transfer transfer{what, watch, *file, before, 0, {}};
  std::array<char, CURL_ERROR_SIZE> message{};
  set_options(curl.get(), transfer, message.data());
  const CURLcode code = curl_easy_perform(curl.get());
  long answer = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer);
  TRY(file->sync());
  TRY(file->close());
  constexpr long kNoSuchRange = 416;
  if (before > 0 && (code == CURLE_RANGE_ERROR || answer == kNoSuchRange)) return false;
  if (!transfer.status.ok()) {
    if (transfer.status.code() == Code::kCorrupt) (void)env.remove(partial);
    return transfer.status;
  }
  if (code != CURLE_OK)
    return Status(Code::kIo, what.url + ": cannot be fetched (" +
                                 (message[0] != '\0' ? message.data() : curl_easy_strerror(code)) +
                                 "); try again, what has come is kept");
  return true;
}

uint64_t bytes_of(Env& env, const std::string& path) {
  if (!env.exists(path)) return 0;
  const auto file = env.open_read(path);
  return file.ok() ? (*file)->size() : 0;
}

Status check_sum(Env& env, const Download& what, const std::string& path) {
  TRY_ASSIGN(const std::string sum, sha256_of_file(env, path));
  if (sum == what.sha256) return {};
  return corrupt(what.url + ": has the SHA-256 " + sum + " instead of " + what.sha256 +
                 ", so it is not the file that is known; nothing was kept");
}

}  // namespace

Status download(Env& env, const Download& what, const DownloadWatch& watch) {
  if (env.exists(what.path)) {
    TRY_ASSIGN(const std::string sum, sha256_of_file(env, what.path));
    if (sum == what.sha256) return {};
    return invalid(what.path + ": is there with other content than is known; move it away");
  }
  const std::string partial = what.path + ".partial";
  uint64_t before = bytes_of(env, partial);
  if (before > what.bytes) before = 0;
  while (before < what.bytes) {
    TRY_ASSIGN(const bool whole, transfer_rest(env, what, partial, before, watch));
    if (whole) break;
    before = 0;
  }
  Status right = check_sum(env, what, partial);
  if (!right.ok()) {
    (void)env.remove(partial);
    return right;
  }
  return env.rename(partial, what.path);
}

#endif

}  // namespace coppice::cli
