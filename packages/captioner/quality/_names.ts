/** Common given names of many countries, in lower case: with a capitalised word behind them they name a person. */
export const GIVEN_NAMES: ReadonlySet<string> = new Set(
  ("aaron adam ahmed aisha albert alejandro alexander alexandra alice ali amanda amir amy ana andrea andreas andrew angela anita anna anne anthony antonio " +
    "barbara benjamin betty brandon brian bruno carl carla carlos carol caroline charles charlotte chen christian christina christine christopher claudia " +
    "daniel david deborah dennis diana diego dimitri donald donna dorothy edward elena elisabeth elizabeth emily emma eric erika ernst eva fatima felix " +
    "fernando francesca francesco francisco frank franz fritz gabriel george gerald giovanni giulia gloria gregory hannah hans harold hassan heather " +
    "heinrich helen helga henry ibrahim ingrid irina isabel ivan jack jacob jacqueline james jan jane janet jason javier jean jeffrey jennifer jessica joan " +
    "johannes john jonathan jorge jose joseph joshua juan judith julia julie karen karl katherine kathleen keith kenneth kevin klaus kyle larissa larry laura " +
    "lauren lee leon linda lisa louis lucas lucia luis luigi maria marie mario mark marta martha martin mary matthew megan mehmet melissa michael michelle " +
    "miguel mohamed mohammed monika nancy natalia natasha nicholas nicole nina noah olga oliver olivia oscar otto pablo pamela patricia patrick paul paula " +
    "pedro peter petra philip pierre rachel raj ralph ramon raymond rebecca renate richard robert roberto roger ronald rosa russell ruth ryan samantha " +
    "samuel sandra sara sarah scott sergei sharon simon sofia sophia stefan stephanie stephen steven susan svetlana teresa thomas timothy tyler ursula " +
    "vanessa victor victoria vincent virginia vladimir walter wei wilhelm william wolfgang yusuf zachary")
    .split(" "),
);

/** Words of reports that are written with a capital though they name nobody, in lower case. */
export const FIELD_WORDS: ReadonlySet<string> = new Set(
  ("axial coronal sagittal transverse computed tomography magnetic resonance imaging image images slice slices scan section view plane weighted contrast enhanced " +
    "hounsfield units unit field soft tissue window lung bone brain abdomen abdominal chest thorax thoracic pelvis pelvic neck head spine spinal liver spleen " +
    "kidney kidneys pancreas stomach bowel colon bladder aorta heart cardiac vertebra vertebral body bodies muscle muscles fat skin skull orbit orbits sinus " +
    "sinuses ventricle ventricles hippocampus cerebellum brainstem lobe lobes gland glands adrenal thyroid prostate uterus rib ribs sternum clavicle scapula " +
    "femur hip disc discs cord vein veins artery arteries vessel vessels node nodes lesion lesions mass masses nodule nodules cyst cysts fluid effusion oedema " +
    "edema finding findings visible anatomy impression normal abnormal abnormality no none left right upper lower anterior posterior superior inferior medial " +
    "lateral bilateral middle central grey gray white matter signal intensity density attenuation high low bright dark confidence modality the there this a an " +
    "and of in with without is are circle willis crohn baker gerota morison pouch meckel hodgkin non douglas schmorl kerley bosniak couinaud segment " +
    "inversion recovery diffusion flair proton gadolinium t1 t2 mri ct mr pet portal venous arterial phase vena cava iliac femoral carotid jugular " +
    "internal external common main pulmonary trunk great small large mild moderate severe diffuse focal multiple single several both mri")
    .split(" "),
);
