//! Compares the issuing state of a machine-readable zone (three letters) with the country of a
//! certificate (two letters).

/// ISO 3166-1, three letters and two of each country.
const COUNTRIES: &str = "\
    AFGAF ALBAL DZADZ ASMAS ANDAD AGOAO AIAAI ATAAQ ATGAG ARGAR ARMAM ABWAW AUSAU AUTAT AZEAZ BHSBS \
    BHRBH BGDBD BRBBB BLRBY BELBE BLZBZ BENBJ BMUBM BTNBT BOLBO BESBQ BIHBA BWABW BRABR IOTIO BRNBN \
    BGRBG BFABF BDIBI CPVCV KHMKH CMRCM CANCA CYMKY CAFCF TCDTD CHLCL CHNCN COLCO COMKM COGCG CODCD \
    COKCK CRICR CIVCI HRVHR CUBCU CUWCW CYPCY CZECZ DNKDK DJIDJ DMADM DOMDO ECUEC EGYEG SLVSV GNQGQ \
    ERIER ESTEE SWZSZ ETHET FLKFK FROFO FJIFJ FINFI FRAFR GUFGF PYFPF GABGA GMBGM GEOGE GHAGH GIBGI \
    GRCGR GRLGL GRDGD GLPGP GUMGU GTMGT GGYGG GINGN GNBGW GUYGY HTIHT VATVA HNDHN HKGHK HUNHU ISLIS \
    INDIN IDNID IRNIR IRQIQ IRLIE IMNIM ISRIL ITAIT JAMJM JPNJP JEYJE JORJO KAZKZ KENKE KIRKI PRKKP \
    KORKR KWTKW KGZKG LAOLA LVALV LBNLB LSOLS LBRLR LBYLY LIELI LTULT LUXLU MACMO MDGMG MWIMW MYSMY \
    MDVMV MLIML MLTMT MHLMH MTQMQ MRTMR MUSMU MYTYT MEXMX FSMFM MDAMD MCOMC MNGMN MNEME MSRMS MARMA \
    MOZMZ MMRMM NAMNA NRUNR NPLNP NLDNL NCLNC NZLNZ NICNI NERNE NGANG NIUNU MKDMK MNPMP NORNO OMNOM \
    PAKPK PLWPW PSEPS PANPA PNGPG PRYPY PERPE PHLPH POLPL PRTPT PRIPR QATQA REURE ROURO RUSRU RWARW \
    SHNSH KNAKN LCALC SPMPM VCTVC WSMWS SMRSM STPST SAUSA SENSN SRBRS SYCSC SLESL SGPSG SXMSX SVKSK \
    SVNSI SLBSB SOMSO ZAFZA SSDSS ESPES LKALK SDNSD SURSR SWESE CHECH SYRSY TWNTW TJKTJ TZATZ THATH \
    TLSTL TGOTG TKLTK TONTO TTOTT TUNTN TURTR TKMTM TCATC TUVTV UGAUG UKRUA AREAE GBRGB USAUS URYUY \
    UZBUZ VUTVU VENVE VNMVN VGBVG VIRVI WLFWF ESHEH YEMYE ZMBZM ZWEZW";

/// Codes of ICAO 9303-3, section 5, that are not in ISO 3166-1: Germany's single letter,
/// organisations, and Kosovo, with the country codes that their certificates use.
const OTHERS: [(&str, &[&str]); 8] = [
    ("D", &["DE"]),
    ("UNO", &["UN"]),
    ("UNA", &["UN"]),
    ("UNK", &["UN", "KS", "XK"]),
    ("EUE", &["EU"]),
    ("RKS", &["KS", "XK", "RK"]),
    ("XOM", &["XO", "XM", "OM"]),
    ("UTO", &["UT"]),
];

/// Whether the issuing state of a machine-readable zone is the country of a certificate; `None` if
/// the state code is unknown. Cards of territories are signed by their country (`GBD` by `GB`).
pub(super) fn is_same_country(state: &str, country: &str) -> Option<bool> {
    let country = country.to_ascii_uppercase();
    if country == state {
        return Some(true);
    }
    if let Some((_, allowed)) = OTHERS.iter().find(|(code, _)| *code == state) {
        return Some(allowed.contains(&country.as_str()));
    }
    if state.starts_with("GB") {
        return Some(country == "GB" || country == "UK");
    }
    let two = COUNTRIES.split(' ').find_map(|pair| pair.strip_prefix(state).filter(|_| state.len() == 3))?;
    // China signs for Hong Kong and Macao, which also have certificates of their own.
    Some(
        two == country
            || (matches!(two, "HK" | "MO") && country == "CN")
            || (two == "CN" && matches!(&*country, "HK" | "MO")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_countries_are_told_apart() {
        assert_eq!(is_same_country("VNM", "VN"), Some(true));
        assert_eq!(is_same_country("VNM", "vn"), Some(true));
        assert_eq!(is_same_country("VNM", "LA"), Some(false));
        assert_eq!(is_same_country("D", "DE"), Some(true));
        assert_eq!(is_same_country("D", "FR"), Some(false));
        assert_eq!(is_same_country("GBD", "GB"), Some(true));
        assert_eq!(is_same_country("ZZZ", "VN"), None);
        assert_eq!(is_same_country("", "VN"), None);
    }

    #[test]
    fn the_table_is_well_formed() {
        let pairs: Vec<&str> = COUNTRIES.split(' ').collect();
        assert_eq!(pairs.len(), 235);
        assert!(pairs.iter().all(|pair| pair.len() == 5 && pair.bytes().all(|byte| byte.is_ascii_uppercase())));
    }
}
