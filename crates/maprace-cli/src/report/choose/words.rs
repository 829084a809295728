//! Names and numbers as sentences have them: cookies of one protocol together, three digits at most.

/// A configuration, as it is to be named.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Named<'a> {
    pub(super) config: &'a str,
    pub(super) cookie: Option<&'a str>,
    pub(super) counterfactual: bool,
}

impl Named<'_> {
    /// Its name without the cookie.
    pub(super) fn base(&self) -> String {
        let words = self.config.split(' ').filter(|word| !word.starts_with("cookie="));
        words.collect::<Vec<&str>>().join(" ")
    }

    fn shown(&self, name: &str) -> String {
        let mark = if self.counterfactual { " (counterfactual)" } else { "" };
        format!("{name}{mark}")
    }
}

/// `a, b and c, whatever the cookie`: what `some` of `all` are called. A protocol all of whose cookies
/// are among them is named once.
pub(super) fn grouped(some: &[Named<'_>], all: &[Named<'_>]) -> String {
    let (mut any, mut single): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut told: Vec<String> = Vec::new();
    for one in some {
        let base = one.base();
        if told.contains(&base) {
            continue;
        }
        let own: Vec<&Named<'_>> = some.iter().filter(|known| known.base() == base).collect();
        let compared = all.iter().filter(|known| known.base() == base).count();
        if compared < 2 {
            single.push(one.shown(one.config));
        } else if own.len() == compared {
            any.push(one.shown(&base));
        } else {
            let cookies: Vec<&str> = own.iter().filter_map(|known| known.cookie).collect();
            single.push(one.shown(&format!("{base} with cookie {}", cookies.join(" or "))));
        }
        told.push(base);
    }
    match (any.is_empty(), single.is_empty()) {
        (true, _) => listed(&single),
        (false, true) => format!("{}, whatever the cookie", listed(&any)),
        (false, false) => format!("{}, whatever the cookie, and {}", listed(&any), listed(&single)),
    }
}

/// A time in words, three digits.
pub(super) fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// The least and the greatest, each in words, or one of them where they read the same.
pub(super) fn range(values: &[f64], say: impl Fn(f64) -> String) -> String {
    let least = values.iter().copied().min_by(f64::total_cmp).unwrap_or_default();
    let most = values.iter().copied().max_by(f64::total_cmp).unwrap_or_default();
    let (low, high) = (say(least), say(most));
    match (low.split_once(' '), high.split_once(' ')) {
        _ if low == high => low,
        (Some((low, unit)), Some((high, other))) if unit == other => {
            format!("{low} to {high} {unit}")
        }
        _ => format!("{low} to {high}"),
    }
}

/// Times of which each stands beside what it is compared with.
pub(super) fn times(costs: &[(f64, f64)]) -> String {
    range(&costs.iter().map(|(ns, _)| *ns).collect::<Vec<f64>>(), time)
}

/// How much more or less than what each is compared with.
pub(super) fn percents(costs: &[(f64, f64)]) -> String {
    let more: Vec<f64> = costs.iter().map(|(ns, base)| (ns / base - 1.0) * 100.0).collect();
    let say = |more: f64| match more.abs() < 0.05 {
        true => "0".to_owned(),
        false => format!("{more:+.1}"),
    };
    format!("{} %", range(&more, say))
}

/// How often in a million, and between which bounds: whole numbers, thousands from ten thousand on.
pub(super) fn in_a_million(values: &[f64], bounds: &[f64]) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    if most < 1e4 {
        let say = |value: f64| format!("{value:.0}");
        return format!(
            "{} times in a million operations ({})",
            range(values, say),
            range(bounds, say)
        );
    }
    let say = |value: f64| format!("{:.0}", value / 1e3);
    let (value, bounds) = (range(values, say), range(bounds, say));
    format!("about {value} thousand times in a million operations ({bounds} thousand)")
}

/// `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(config: &'static str, cookie: &'static str) -> Named<'static> {
        let counterfactual = config.starts_with("exclusive");
        Named { config, cookie: Some(cookie), counterfactual }
    }

    #[test]
    fn cookies_of_one_protocol_are_named_together() {
        let all = [
            named("v6.8 cookie=off", "off"),
            named("v6.12 cookie=off", "off"),
            named("exclusive cookie=off", "off"),
            named("v6.8", "on"),
            named("v6.12", "on"),
            named("exclusive", "on"),
        ];
        assert_eq!(
            grouped(&all, &all),
            "v6.8, v6.12 and exclusive (counterfactual), whatever the cookie"
        );
        assert_eq!(grouped(&all[3..5], &all), "v6.8 with cookie on and v6.12 with cookie on");
        assert_eq!(
            grouped(&[all[0], all[1], all[4]], &all),
            "v6.12, whatever the cookie, and v6.8 with cookie off"
        );
        assert_eq!(grouped(&all[3..], &all[3..]), "v6.8, v6.12 and exclusive (counterfactual)");
        assert_eq!(grouped(&[], &all), "");
    }

    #[test]
    fn times_have_three_digits_and_their_unit() {
        let all: Vec<String> = [7.0, 812.4, 1_240.0, 45_600.0, 2e6, 3e9].map(time).into();
        assert_eq!(all, ["7.00 ns", "812 ns", "1.24 us", "45.6 us", "2.00 ms", "3.00 s"]);
    }

    #[test]
    fn numbers_that_read_the_same_are_said_once_and_have_no_more_digits_than_they_are_worth() {
        assert_eq!(times(&[(733.1, 1.0), (733.2, 1.0)]), "733 ns");
        assert_eq!(times(&[(733.1, 1.0), (730.0, 1.0)]), "730 to 733 ns");
        assert_eq!(percents(&[(999.9, 1e3), (1_100.0, 1e3)]), "0 to +10.0 %");
        assert_eq!(
            in_a_million(&[115_000.0, 116_500.0], &[101_751.0, 131_301.0]),
            "about 115 to 116 thousand times in a million operations (102 to 131 thousand)"
        );
        assert_eq!(
            in_a_million(&[420.4], &[0.0, 640.0]),
            "420 times in a million operations (0 to 640)"
        );
    }
}
