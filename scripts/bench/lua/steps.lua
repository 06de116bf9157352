-- The load of `make bench`, for wrk with one thread. Many runs are live at once; each plays a script of real steps, and
-- its place is taken by a new run when the script is over.
--
-- Arguments after `--`: mode (single, ndjson or echo), file of scripts (a step a line, an empty line after each run),
-- name that the runs' ids begin with, runs live at once, steps a request (ndjson), steps per second (0: as many as the
-- connections carry), API key (empty: none).
-- Prints one line of JSON in the end.

local ffi = require("ffi")
ffi.cdef([[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
]])
local time = ffi.new("bench_time")

local function now_ms()
  ffi.C.clock_gettime(1, time) -- CLOCK_MONOTONIC
  return tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
end

local function read_scripts(path)
  local scripts, script = {}, {}
  for line in io.lines(path) do
    if line ~= "" then
      script[#script + 1] = line
    elseif #script > 0 then
      scripts[#scripts + 1] = script
      script = {}
    end
  end
  return scripts
end

local mode, scripts, name, live, per_request, rate
local slots = {}
local at = 0

local function next_step()
  at = at % live + 1
  local slot = slots[at]
  local step = slot.script[slot.step]
  if not step then
    slot.generation = slot.generation + 1
    slot.script = scripts[(at + slot.generation * 7) % #scripts + 1]
    slot.id = name .. "-" .. at .. "-" .. slot.generation
    slot.step = 1
    step = slot.script[1]
  end
  slot.step = slot.step + 1
  return slot.id, step
end

local headers = {["Content-Type"] = "application/json"}
local requests = {}

function requests.single()
  local id, step = next_step()
  return wrk.format("POST", "/v1/runs/" .. id .. "/steps", headers, step)
end

function requests.ndjson()
  local lines = {}
  for i = 1, per_request do
    local id, step = next_step()
    lines[i] = '{"run_id":"' .. id .. '","step":' .. step .. "}"
  end
  return wrk.format("POST", "/v1/steps", headers, table.concat(lines, "\n"))
end

function requests.echo()
  local _, step = next_step()
  return wrk.format("POST", "/echo", headers, step)
end

function init(arguments)
  mode, name = arguments[1], arguments[3]
  scripts = read_scripts(arguments[2])
  live, per_request, rate = tonumber(arguments[4]), tonumber(arguments[5]), tonumber(arguments[6])
  if arguments[7] ~= "" then headers["Authorization"] = "Bearer " .. arguments[7] end
  if mode == "ndjson" then headers["Content-Type"] = "application/x-ndjson" end
  for slot = 1, live do
    -- Runs begin at different places of their scripts, so that they do not all end at once.
    local script = scripts[slot % #scripts + 1]
    slots[slot] = {script = script, step = slot % #script + 1, generation = 0, id = name .. "-" .. slot .. "-0"}
  end
  request = requests[mode]
  if rate > 0 then
    local began, sent = nil, 0
    -- A schedule rather than a pause: a slow answer delays its own connection and no later request.
    delay = function()
      local now = now_ms()
      began = began or now
      sent = sent + 1
      return math.max(0, began + sent * 1000 / rate - now)
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
