-- Health of a WeakToStrongJob for Argo CD. It uses no library, so it runs in Argo CD's default sandbox.
local metadata = obj.metadata or {}
local annotations = metadata.annotations or {}
local status = obj.status or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(name, value)
  return conditions[name] ~= nil and conditions[name].status == value
end

local function said(name, otherwise)
  local message = conditions[name] and conditions[name].message
  if message == nil or message == "" then
    return otherwise
  end
  return message
end

-- What was said of an earlier spec, or before the wish to try again, is no verdict.
local current = status.observedGeneration == metadata.generation
  and (status.retry or "") == (annotations["w2s.dev/retry"] or "")

if current and is("Complete", "True") then
  return {status = "Healthy", message = said("Promoted", "Every stage is done.")}
end
if current and (is("Complete", "False") or is("Stalled", "True")) then
  return {status = "Degraded", message = said("Complete", "The job failed.")}
end
if annotations["w2s.dev/hands-off"] == "true" then
  return {status = "Suspended", message = "The operator leaves it alone: its annotation w2s.dev/hands-off is true."}
end
if not current then
  return {status = "Progressing", message = "Waiting for the operator."}
end
if is("Suspended", "True") then
  return {status = "Suspended", message = said("Suspended", "The job is suspended.")}
end
return {status = "Progressing", message = said("Complete", "The job is at work.")}
