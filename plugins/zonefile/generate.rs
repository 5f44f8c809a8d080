//! `$GENERATE`: one line for every number of a range.

/// Most lines that a directive makes (miekg/dns: 65,536).
const MAX_STEPS: i64 = 65_535;

/// Most octets that a directive makes; 65,536 lines of full names fit.
const MAX_OCTETS: usize = 64 * 1024 * 1024;

/// A range of numbers: first, last, step.
pub(super) type Range = (i64, i64, i64);

/// Reads `FIRST-LAST[/STEP]`.
pub(super) fn range(text: &str) -> Result<Range, &'static str> {
    let (numbers, step) = text.split_once('/').unwrap_or((text, "1"));
    let step = step.parse().ok().filter(|step| *step > 0).ok_or("bad step in $GENERATE range")?;
    let (first, last) = numbers.split_once('-').ok_or("bad start-stop in $GENERATE range")?;
    let first: i64 = first.parse().map_err(|_| "bad start in $GENERATE range")?;
    let last: i64 = last.parse().map_err(|_| "bad stop in $GENERATE range")?;
    let is_good = first >= 0 && last >= first && (last - first) / step <= MAX_STEPS;
    if is_good { Ok((first, last, step)) } else { Err("bad range in $GENERATE range") }
}

/// The lines that a template makes.
pub(super) fn lines(template: &str, (first, last, step): Range) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut next = Some(first);
    while let Some(number) = next.filter(|number| *number <= last) {
        line(template, (first, last), number, &mut out)?;
        out.push('\n');
        if out.len() > MAX_OCTETS {
            return Err("too much data in $GENERATE directive");
        }
        next = number.checked_add(step);
    }
    Ok(out)
}

/// One line: `$` is the number, `${OFFSET,WIDTH,BASE}` the number in another form, `$$` and `\$` a dollar.
fn line(template: &str, bounds: (i64, i64), number: i64, out: &mut String) -> Result<(), &'static str> {
    let mut rest = template;
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '\\' => {
                let next = rest.chars().next();
                out.extend(next.filter(|next| matches!(next, '$' | '\\')));
                rest = rest.get(next.map_or(0, char::len_utf8)..).unwrap_or_default();
            }
            '$' if rest.starts_with('$') => {
                out.push('$');
                rest = rest.get(1..).unwrap_or_default();
            }
            '$' => {
                let Some(behind) = rest.strip_prefix('{') else {
                    out.push_str(&number.to_string());
                    continue;
                };
                let (modifier, behind) = behind.split_once('}').ok_or("bad modifier in $GENERATE")?;
                out.push_str(&modified(modifier, bounds, number)?);
                rest = behind;
            }
            _ => out.push(letter),
        }
    }
    Ok(())
}

/// A number as `OFFSET[,WIDTH[,BASE]]` says.
fn modified(modifier: &str, (first, last): (i64, i64), number: i64) -> Result<String, &'static str> {
    let parts: Vec<&str> = modifier.split(',').collect();
    let (offset, width, base) = match parts.as_slice() {
        [offset] => (*offset, "0", "d"),
        [offset, width] => (*offset, *width, "d"),
        [offset, width, base] => (*offset, *width, *base),
        _ => return Err("bad modifier in $GENERATE"),
    };
    let offset: i64 = offset.parse().map_err(|_| "bad offset in $GENERATE")?;
    let width = usize::from(width.parse::<u8>().map_err(|_| "bad width in $GENERATE")?);
    if first.saturating_add(offset) < 0 || last.saturating_add(offset) > i64::from(i32::MAX) {
        return Err("bad offset in $GENERATE");
    }
    let number = number.saturating_add(offset);
    match base {
        "d" => Ok(format!("{number:0width$}")),
        "o" => Ok(format!("{number:0width$o}")),
        "x" => Ok(format!("{number:0width$x}")),
        "X" => Ok(format!("{number:0width$X}")),
        _ => Err("bad base in $GENERATE"),
    }
}
