// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <algorithm>

#include "report/text.h"

namespace coppice {
namespace {

// Colours s0 to s7 can be told apart by colour-blind readers, by lightness too, on either background.
constexpr char kStyle[] = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--mute:#59636e;--line:#d5dbe1;--panel:#f4f6f8;--heat:11 98 184;
--s0:#0b62b8;--s1:#c2410c;--s2:#0b7a53;--s3:#8136d6;--s4:#b0127b;--s5:#7a5c00;--s6:#00707a;--s7:#4b5563}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--mute:#9aa4af;--line:#343b43;--panel:#1d2126;
--heat:96 172 255;--s0:#6fb1ff;--s1:#ff9d66;--s2:#4fd1a1;--s3:#c4a5ff;--s4:#ff85c8;--s5:#e0c050;--s6:#5fd3dc;--s7:#b4bcc6}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.25rem 1rem 3rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}h3{font-size:.95rem;margin:.3rem 0}
p{margin:.3rem 0}small,.mute{color:var(--mute)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.6rem;margin:1rem 0}
.tiles div{background:var(--panel);border-radius:.5rem;padding:.6rem .8rem}
.tiles b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}.tiles span{color:var(--mute)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,23rem),1fr));gap:1rem}
figure{margin:0;max-width:36rem}figcaption{margin:0 0 .2rem}
.key{display:inline-flex;align-items:center;gap:.35rem;margin-right:.9rem;color:var(--mute)}
.key svg{width:1.6rem;height:.6rem}
svg{display:block;width:100%;height:auto}svg text{fill:var(--mute);font:12px system-ui,sans-serif}
@media(max-width:30rem){svg text{font-size:15px}}
svg .grid{stroke:var(--line)}svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .dot{opacity:0}svg .dot:hover{opacity:1}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th{color:var(--mute);font-weight:600;text-align:left;vertical-align:bottom}
th,td{padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);overflow-wrap:normal}
.n{text-align:right;white-space:nowrap}th.n{white-space:normal;overflow-wrap:anywhere;min-width:5.5rem}
.confusion td,.confusion th{padding:.15rem .45rem;border:0}.confusion td{text-align:right;background:rgb(var(--heat)/var(--v,0))}
.confusion .full{color:var(--bg)}.confusion thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left}
.confusion tbody th{white-space:nowrap}.confusion thead th:first-child{writing-mode:initial;transform:none}
.bars{display:grid;grid-template-columns:fit-content(40%) 1fr max-content;gap:.25rem .7rem;align-items:center}
.bars i{display:block;height:.9rem;border-radius:.2rem;min-width:2px}
.bars span:nth-child(3n){text-align:right;font-variant-numeric:tabular-nums}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.8rem}
.pictures img{width:100%;max-width:9rem}img{image-rendering:pixelated;display:block}
details{margin:.8rem 0}summary{cursor:pointer;color:var(--mute)}pre{overflow-x:auto;background:var(--panel);padding:.6rem;border-radius:.5rem}
)";

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0);
    const size_t digits = std::min<size_t>(bytes.size() - at, 3) + 1;
    for (size_t i = 0; i < 4; ++i) out += i < digits ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string html_page(const std::string& title, const std::string& body) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" +
         escaped(title) + "</title><style>" + kStyle + "</style></head><body>\n<h1>" + escaped(title) +
         "</h1>\n" + body + "</body></html>\n";
}

std::string html_section(const std::string& title, const std::string& body) {
  return "<section><h2>" + escaped(title) + "</h2>" + body + "</section>\n";
}

std::string html_details(const std::string& title, const std::string& body) {
  return "<details><summary>" + escaped(title) + "</summary>" + body + "</details>\n";
}

std::string html_tiles(const std::vector<std::pair<std::string, std::string>>& figures_and_names) {
  std::string out = "<div class=\"tiles\">";
  for (const auto& [figure, name] : figures_and_names)
    out += "<div><b>" + escaped(figure) + "</b><span>" + escaped(name) + "</span></div>";
  return out + "</div>\n";
}

std::string html_scroll(const std::string& body) { return "<div class=\"scroll\">" + body + "</div>\n"; }

std::string html_picture(const std::string& png, const std::string& what) {
  return "<img alt=\"" + escaped(what) + "\" src=\"data:image/png;base64," + base64(png) + "\">";
}

std::string html_confusion(const std::vector<std::string>& classes, const std::vector<int64_t>& counts) {
  const size_t n = classes.size();
  std::string out = "<table class=\"confusion\"><thead><tr><th>is \\ said</th>";
  for (const std::string& name : classes) out += "<th>" + escaped(name) + "</th>";
  out += "</tr></thead><tbody>";
  for (size_t row = 0; row < n; ++row) {
    int64_t all = 0;
    for (size_t column = 0; column < n; ++column) all += counts[row * n + column];
    out += "<tr><th>" + escaped(classes[row]) + "</th>";
    for (size_t column = 0; column < n; ++column) {
      const int64_t count = counts[row * n + column];
      const double share = all > 0 ? static_cast<double>(count) / static_cast<double>(all) : 0;
      out += "<td";
      if (share > 0.5) out += " class=\"full\"";
      if (count > 0) out += " style=\"--v:" + decimal(0.06 + 0.94 * share, 2) + "\"";
      out += ">" + (count > 0 ? with_commas(count) : "") + "</td>";
    }
    out += "</tr>";
  }
  return html_scroll(out + "</tbody></table>");
}

std::string html_bars(const std::vector<Bar>& bars) {
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.value);
  std::string out = "<div class=\"bars\">";
  for (const Bar& bar : bars)
    out += "<span>" + escaped(bar.name) + "</span><i style=\"background:var(--s" +
           std::to_string(bar.colour % 8) + ");width:" + decimal(most > 0 ? 100 * bar.value / most : 0, 1) +
           "%\"></i><span>" + escaped(bar.text) + "</span>";
  return out + "</div>\n";
}

}  // namespace coppice
